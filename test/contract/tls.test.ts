import { afterAll, beforeAll, describe, expect, test } from "bun:test";

import type { Tls } from "#store/dial.ts";
import { migrate, migrationStatus } from "#store/migrate.ts";
import type { Row } from "#store/pool.ts";
import { openCertificates, type Authority, type Certificate } from "#test/support/certificates.ts";
import { openTestPool } from "#test/support/pools.ts";
import {
  startScratchServer,
  tlsOnlyRole,
  type ScratchServer,
} from "#test/support/scratch-server.ts";
import { until } from "#test/until.ts";

let server: ScratchServer;
let certificates: ReturnType<typeof openCertificates>;
let authority: Authority;
let presented: Readonly<Record<string, Certificate | null>>;
const password = "only-with-tls";
beforeAll(async () => {
  server = await startScratchServer();
  await server.allowTlsOnly(password);
  certificates = openCertificates(server.account);
  authority = certificates.createAuthority();
  presented = {
    good: authority.issue("DNS:localhost,IP:127.0.0.1"),
    nameOnly: authority.issue("DNS:localhost"),
    elsewhere: authority.issue("DNS:other.example,IP:127.0.0.2"),
    expired: authority.issue("DNS:localhost,IP:127.0.0.1", -1),
    stranger: certificates.createAuthority().issue("DNS:localhost,IP:127.0.0.1"),
    none: null,
  };
});
afterAll(async () => {
  await server.stop();
  certificates.remove();
});

const at = (host: string, user?: string): string => {
  const url = new URL(server.url);
  url.hostname = host;
  if (user !== undefined) [url.username, url.password] = [user, password];
  return url.href;
};

const session = {
  name: "session",
  text: "select ssl as encrypted, version from pg_stat_ssl where pid = pg_backend_pid() and $1",
};

type Answer = Row & { encrypted: boolean; version: string | null };

/** Whether the session is encrypted, or why there is none. */
async function visit(host: string, ssl: Tls): Promise<unknown> {
  const pool = openTestPool(at(host), { ssl });
  const startMs = performance.now();
  try {
    const [row] = await pool.query<Answer>(session, [true]);
    return row?.encrypted;
  } catch (error) {
    expect(performance.now() - startMs).toBeLessThan(2_000);
    return String(error);
  } finally {
    await pool.close(1_000);
  }
}

const failed = (why: string): string => `VarveError: TLS to the database failed: ${why}`;
const untrusted = failed("no trusted authority has signed the server's certificate");
const otherHost = failed("the server's certificate is for another host");
const expired = failed("the server's certificate has expired");
const notOffered = failed("the server does not offer it");

describe("TLS to the database", () => {
  test.each([
    ["good", { localhost: true, "127.0.0.1": true }],
    ["nameOnly", { localhost: true, "127.0.0.1": otherHost }],
    ["elsewhere", { localhost: otherHost, "127.0.0.1": otherHost }],
    ["expired", { localhost: expired, "127.0.0.1": expired }],
    ["stranger", { localhost: untrusted, "127.0.0.1": untrusted }],
    ["none", { localhost: notOffered, "127.0.0.1": notOffered }],
  ] as const)(
    "verify-full lets nobody but the right server be spoken to when it shows: %s",
    async (name, expected) => {
      await server.present(presented[name] ?? null);
      const tls = { verify: true, ca: authority.ca };
      const seen = {
        localhost: await visit("localhost", tls),
        "127.0.0.1": await visit("127.0.0.1", tls),
      };
      expect(seen).toEqual(expected);
    },
  );

  test("verify-full refuses when the authority is only ours, and not the system's", async () => {
    await server.present(presented["good"] ?? null);
    expect(await visit("localhost", { verify: true })).toBe(untrusted);
  });

  test.each([
    ["good", true],
    ["elsewhere", true],
    ["expired", true],
    ["stranger", true],
    ["none", notOffered],
  ] as const)(
    "require encrypts, and asks no more, when the server shows: %s",
    async (name, expected) => {
      await server.present(presented[name] ?? null);
      expect(await visit("localhost", { verify: false })).toBe(expected);
    },
  );

  test("disable stays plain when the server offers TLS", async () => {
    await server.present(presented["good"] ?? null);
    expect(await visit("localhost", false)).toBe(false);
  });

  test.each([
    ["", false],
    ["?sslmode=disable", false],
    ["?sslmode=require", true],
    ["?sslmode=verify-ca", untrusted],
    ["?sslmode=verify-full", untrusted],
    ["?application_name=x&sslmode=verify%2Dfull#sslmode=disable", untrusted],
  ] as const)(
    "URL that says %p has that much when nothing else is said",
    async (parameters, expected) => {
      await server.present(presented["stranger"] ?? null);
      const pool = openTestPool(`${at("localhost")}${parameters}`, { ssl: undefined });
      const rows = await pool.query<Answer>(session, [true]).catch(String);
      await pool.close(1_000);
      expect(typeof rows === "string" ? rows : rows[0]?.encrypted).toBe(expected);
    },
  );

  test("URL is refused when its sslmode is not known", async () => {
    const open = (mode: string) =>
      openTestPool(`${at("localhost")}?sslmode=${mode}`, { ssl: undefined });
    for (const mode of ["prefer", "allow", "VERIFY-FULL", ""]) {
      const asked = open(mode).query(session, [true]);
      expect(await asked.catch((error: { code: string }) => error.code)).toBe(
        "configuration-invalid",
      );
    }
  });

  test("statement is stopped in the server when its time is over and the server asks for TLS", async () => {
    await server.present(presented["good"] ?? null);
    const ssl = { verify: true, ca: authority.ca };
    const pool = openTestPool(at("localhost", tlsOnlyRole), { ssl });
    const sleeping = pool.query({ name: "sleep", text: "select pg_sleep(9)" }, [], 300);
    expect(await sleeping.catch((error: { context: object }) => error.context)).toEqual({
      sqlState: "57014",
      statement: "sleep",
      replyLost: false,
    });
    await pool.close(1_000);
  });
});

describe("TLS of migrations", () => {
  test("migration is made when the server is the right one, and only over TLS", async () => {
    await server.present(presented["good"] ?? null);
    const url = at("127.0.0.1", tlsOnlyRole);
    expect(
      await migrate({ url, ssl: false }).catch((error: { context: object }) => error.context),
    ).toMatchObject({ sqlState: "28000" });
    const ssl = { verify: true, ca: authority.ca };
    expect((await migrate({ url, ssl })).length).toBeGreaterThan(5);
    expect((await migrationStatus({ url, ssl })).every(({ state }) => state === "applied")).toBe(
      true,
    );
  });

  test.each([
    ["elsewhere", otherHost],
    ["expired", expired],
    ["stranger", untrusted],
    ["none", notOffered],
  ] as const)("migration is refused at once when the server shows: %s", async (name, expected) => {
    await server.present(presented[name] ?? null);
    const target = { url: at("localhost"), ssl: { verify: true, ca: authority.ca } };
    expect(await migrate(target).catch(String)).toBe(expected);
    await until("nothing is left of it", async () => {
      const rows =
        await server.sql`select from pg_stat_activity where application_name = 'varve migrate'`;
      return rows.length === 0;
    });
  });
});
