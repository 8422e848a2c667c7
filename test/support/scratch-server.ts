/**
 * A Postgres of a test file's own, for what cannot be asked of the shared one: TLS, limits, ends.
 *
 * What it promises. The version that the test run uses; gone with its files after `stop`, also when
 * the test is killed.
 */
import { randomBytes } from "node:crypto";
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import type postgres from "postgres";

import { startEmbeddedPostgres } from "#ops/embedded-postgres.ts";
import { until } from "#test/until.ts";

import type { Certificate } from "./certificates.ts";
import { openSql } from "./pools.ts";

export type ScratchServer = Awaited<ReturnType<typeof startScratchServer>>;

/** A role of the server that is let in with TLS only. */
export const tlsOnlyRole = "tls_only";

const waitForSetting = (sql: postgres.Sql, name: string, value: string) =>
  until(`${name} is ${value}`, async () => {
    const [row] = await sql<{ setting: string }[]>`select current_setting(${name}) as setting`;
    return row?.setting === value;
  });

export async function startScratchServer() {
  const directory = join(tmpdir(), `varve-scratch-${randomBytes(6).toString("hex")}`);
  const bin = process.env["VARVE_TEST_PG_BIN"] || undefined;
  const { url, stop } = await startEmbeddedPostgres({ directory, temporary: true, bin });
  const sql = openSql(url);
  const { uid, gid } = statSync(directory);

  const set = async (name: string, value: string): Promise<void> => {
    await sql.unsafe(`alter system set ${name} = '${value}'`);
  };
  const reload = () => sql`select pg_reload_conf()`;

  return {
    url,
    sql,
    /** Whom the server's files must belong to. */
    account: { uid, gid },
    /** Makes the role `tlsOnlyRole`, a superuser with that password. */
    allowTlsOnly: async (password: string): Promise<void> => {
      await sql.unsafe(`create role ${tlsOnlyRole} superuser login password '${password}'`);
      const file = join(directory, "pg_hba.conf");
      const rule = `hostnossl all ${tlsOnlyRole} all reject\n`;
      writeFileSync(file, rule + readFileSync(file, "utf8"));
      await reload();
    },
    /** New connections are offered TLS with that certificate, or none. */
    present: async (certificate: Certificate | null): Promise<void> => {
      if (certificate !== null) {
        await set("ssl_cert_file", certificate.certFile);
        await set("ssl_key_file", certificate.keyFile);
      }
      await set("ssl", certificate === null ? "off" : "on");
      await reload();
      if (certificate !== null) await waitForSetting(sql, "ssl_cert_file", certificate.certFile);
      await waitForSetting(sql, "ssl", certificate === null ? "off" : "on");
    },
    stop: async (): Promise<void> => {
      await sql.end({ timeout: 1 });
      await stop();
    },
  };
}
