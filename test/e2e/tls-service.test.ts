import { afterAll, afterEach, beforeAll, expect, test } from "bun:test";

import { openCertificates, type Authority } from "#test/support/certificates.ts";
import {
  startScratchServer,
  tlsOnlyRole,
  type ScratchServer,
} from "#test/support/scratch-server.ts";
import { endServices, runVerb, startService } from "#test/support/service.ts";
import { until } from "#test/until.ts";

let server: ScratchServer;
let certificates: ReturnType<typeof openCertificates>;
let authority: Authority;
let url: URL;
beforeAll(async () => {
  server = await startScratchServer();
  await server.allowTlsOnly("only-with-tls");
  certificates = openCertificates(server.account);
  authority = certificates.createAuthority();
  await server.present(authority.issue("DNS:localhost"));
  url = new URL(server.url);
  [url.username, url.password, url.hostname] = [tlsOnlyRole, "only-with-tls", "localhost"];
});
afterEach(endServices);
afterAll(async () => {
  await server.stop();
  certificates.remove();
});

const verified = (ca: string) => ({
  databaseUrl: url.href,
  environment: { DB_SSL: "verify-full", DB_SSL_CA: ca.replaceAll("\n", "\\n") },
});

test("service works over TLS alone when it knows the authority", async () => {
  const options = verified(authority.ca);
  expect((await runVerb(["migrate"], options)).code).toBe(0);
  const service = await startService(options);
  const sessions = await until("the worker has its session", async () => {
    const rows = await server.sql<{ name: string; ssl: boolean }[]>`
      select distinct a.application_name as name, s.ssl
        from pg_stat_activity a join pg_stat_ssl s using (pid)
       where a.usename = ${tlsOnlyRole} order by name`;
    return rows.some(({ name }) => name === "varve worker") && rows;
  });
  expect(sessions.filter(({ ssl }) => !ssl)).toEqual([]);
  expect((await service.stop()).code).toBe(0);
});

test.each(["migrate", "migrate status", "serve", "keys list"])(
  "%s ends at once with 69 and says TLS when the authority is another",
  async (words) => {
    const verb = [...words.split(" "), "--json"];
    const startMs = performance.now();
    const stranger = certificates.createAuthority().ca;
    const { code, stderr } = await runVerb(verb, verified(stranger));
    expect(performance.now() - startMs).toBeLessThan(5_000);
    expect([code, JSON.parse(stderr)]).toEqual([
      69,
      {
        error: {
          code: "database-unavailable",
          message:
            "TLS to the database failed: no trusted authority has signed the server's certificate",
          exitCode: 69,
        },
      },
    ]);
  },
);
