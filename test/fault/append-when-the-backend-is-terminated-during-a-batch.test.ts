import { afterAll, beforeAll, expect, test } from "bun:test";
import type postgres from "postgres";

import type { Append, AppendOutcome } from "#store/append.ts";
import { createGroupCommit } from "#store/group-commit.ts";
import type { Pool } from "#store/pool.ts";
import { assertNothingLeftOpen, freshDatabase, type TestDatabase } from "#test/database.ts";
import { appendTo } from "#test/support/appends.ts";
import { logFaults } from "#test/support/log-faults.ts";
import { openSql, openTestPool } from "#test/support/pools.ts";
import { until } from "#test/until.ts";

let database: TestDatabase;
let pool: Pool;
let sql: postgres.Sql;
beforeAll(async () => {
  database = await freshDatabase();
  pool = openTestPool(database.url, { applicationName: "victim" });
  sql = openSql(database.url);
});
afterAll(async () => {
  await pool.close(1_000);
  await sql.end({ timeout: 1 });
  await assertNothingLeftOpen(database.url);
  await database.drop();
});

const WRITERS = 16;
const KILLS = 15;

test("every append that resolves is there once when backends are killed under sixteen writers", async () => {
  const groupCommit = createGroupCommit(pool);
  const resolved: { append: Append; outcome: AppendOutcome }[] = [];
  const unknown: string[] = [];
  let killing = true;

  const write = async (writer: number): Promise<void> => {
    for (let round = 0; killing; round += 1) {
      // Half of the writers share streams, so that their batches meet the same rows.
      const append = appendTo(writer % 2 === 0 ? `own-${writer}-${round}` : "shared", null, 2);
      try {
        resolved.push({ append, outcome: await groupCommit.append(append) });
      } catch (error) {
        unknown.push((error as { code: string }).code);
      }
    }
  };
  const kill = async (): Promise<void> => {
    for (let kills = 0; kills < KILLS;) {
      const killed = await sql<{ done: boolean }[]>`
        select pg_terminate_backend(pid) as done from pg_stat_activity
         where datname = current_database() and application_name = 'victim' and state = 'active'
           and query like '%append_events%' limit 1`;
      kills += killed.length;
      const before = resolved.length;
      // Between two kills the writers get somewhere.
      if (killed.length > 0) await until("appends resolve", () => resolved.length > before + 50);
    }
    killing = false;
  };
  await Promise.all([kill(), ...Array.from({ length: WRITERS }, (_, writer) => write(writer))]);
  await groupCommit.drain();

  const rows = await sql<{ id: string; position: number; version: number }[]>`
    select event_id as id, position::int, version::int from varve.events`;
  const places = new Map(rows.map(({ id, position, version }) => [id, [position, version]]));
  const found = resolved.map(({ append }) => append.events.map(({ id }) => places.get(id)));
  const answered = resolved.map(({ outcome }) =>
    outcome.outcome === "conflict" || outcome.outcome === "replayed"
      ? []
      : [
          [outcome.position, outcome.version - 1],
          [outcome.position + 1, outcome.version],
        ],
  );
  expect(found).toEqual(answered);
  // None was stored for nobody: what did not resolve says so with a code, and is at most that much.
  expect(rows.length - 2 * resolved.length).toBeLessThanOrEqual(2 * unknown.length);
  expect(resolved.length).toBeGreaterThan(50 * KILLS);
  expect(await logFaults(sql)).toEqual([]);
});
