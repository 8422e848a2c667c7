import { afterAll, beforeAll, beforeEach } from "bun:test";
import type postgres from "postgres";

import { createHealth, type ProcessView } from "#query/health.ts";
import type { HolderReport } from "#store/health.ts";

import { settleMonth } from "./months.ts";
import { closeStore, openStore, type TestStore } from "./store.ts";

/** A process whose worker works. */
export const runningProcess: ProcessView = {
  startedAtMs: 0,
  draining: false,
  worker: { state: "running", silentMs: 0, crashes: 0 },
};

/** Events of last month in the log of `useHealth`: whoever has not taken them is late. */
export const HEAD = 10_100;

/** A database of a file's own with that log, and no subscription before each test. */
export function useHealth() {
  let store: TestStore;
  beforeAll(async () => {
    store = await openStore();
    const streams = Array.from({ length: HEAD }, (_, n) => `s-${n % 50}`);
    await settleMonth(store.sql, { monthsAgo: 1, streams });
  });
  beforeEach(() => forgetSubscriptions(store.sql));
  afterAll(() => closeStore(store));
  return {
    get pool() {
      return store.pool;
    },
    get sql() {
      return store.sql;
    },
    health: () => createHealth(store.pool, () => runningProcess, Date.now),
    plant: (...rows: readonly SubscriptionRow[]) => plantSubscriptions(store.sql, ...rows),
  };
}

/** A partition of a subscription as the database would have it; well, at 0, where nothing is said. */
export type SubscriptionRow = {
  readonly name: string;
  readonly partition?: number;
  readonly kind?: "view" | "reactor";
  readonly role?: "serving" | "building" | "previous";
  /** Of what view it is; its own name where it says nothing. */
  readonly view?: string;
  readonly fingerprint?: string;
  readonly position?: number;
  readonly barrier?: number;
  /** Since its last progress. */
  readonly stillSeconds?: number;
  /** Why it is paused. */
  readonly paused?: string;
  /** How long its lease lives on; null without a lease. */
  readonly lease?: string | null;
  readonly report?: HolderReport;
  readonly letters?: number;
  readonly faults?: number;
};

/** Puts them into the database. Further partitions of a name add nothing to its first. */
export async function plantSubscriptions(
  sql: postgres.Sql,
  ...rows: readonly SubscriptionRow[]
): Promise<void> {
  for (const row of rows) await plantOne(sql, row);
}

/** Takes all of them away. */
export async function forgetSubscriptions(sql: postgres.Sql): Promise<void> {
  await sql`truncate varve.subscriptions, varve.views, varve.checkpoints, varve.leases,
    varve.dead_letters, varve.proof_faults`;
}

async function plantOne(sql: postgres.Sql, row: SubscriptionRow): Promise<void> {
  const { name, partition = 0, kind = "view", lease = "1 minute" } = row;
  await sql`insert into varve.subscriptions (name, kind, paused_at, pause_reason)
    select ${name}, ${kind}, case when ${row.paused ?? null}::text is not null then now() end,
        ${row.paused ?? null}
      on conflict do nothing`;
  if (kind === "view") {
    await sql`insert into varve.views (name, view, role, version, table_name, fingerprint)
      values (${name}, ${row.view ?? name}, ${row.role ?? "serving"}, 1, ${name},
        ${row.fingerprint ?? "same"})
      on conflict do nothing`;
  }
  await sql`insert into varve.checkpoints (subscription, partition, position, barrier, epoch,
      last_progress_at)
    values (${name}, ${partition}, ${row.position ?? 0}, ${row.barrier ?? null}, 1,
      clock_timestamp() - make_interval(secs => ${row.stillSeconds ?? 0}))`;
  if (lease !== null) {
    const report = row.report === undefined ? null : JSON.stringify(row.report);
    await sql`insert into varve.leases (subscription, partition, owner, epoch, expires_at, report)
      values (${name}, ${partition}, gen_random_uuid(), 1, clock_timestamp() + ${lease}::interval,
        ${report}::text::jsonb)`;
  }
  await sql`insert into varve.dead_letters (subscription, partition, key, stream, position,
      error_code)
    select ${name}, ${partition}, 'key-' || n, 'Thing-' || n, n, 'handler-failed'
      from generate_series(1, ${row.letters ?? 0}::int) n`;
  await sql`insert into varve.proof_faults (subscription, partition, partitions, kind, after_position,
      to_position)
    select ${name}, ${partition}, 1, 'skipped', n, n + 1
      from generate_series(1, ${row.faults ?? 0}::int) n`;
}
