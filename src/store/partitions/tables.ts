import { monotonicMs, sleep } from "#kernel/clock.ts";
import { invariant, isCode, VarveError } from "#kernel/errors.ts";
import { limits } from "#kernel/limits.ts";
import type { Target } from "#store/dial.ts";
import type { Pool, PoolOptions, Statement } from "#store/pool.ts";
import { queries } from "#store/statements.ts";

import { listPartitions, type Partition } from "./register.ts";

/** No statement on a partition may wait longer than this for a lock: others queue behind it. */
const LOCK_TIMEOUT_MS = 2_000;
/** A month that takes longer to vacuum, count or drop is not a month that one database can hold. */
const STATEMENT_TIMEOUT_MS = 6 * 60 * 60_000;
/** Between pages the vacuum rests, so that readers and appends do not wait for the disk. */
const VACUUM_COST_DELAY_MS = 2;

/** Names come from the register, and stand in statements that take no parameters. */
const nameForm = /^events_\d{4}_\d{2}$/;

function onTable(name: string, text: (table: string) => string): Statement {
  invariant(nameForm.test(name), "a partition's name names its month");
  return { name: "partition table", text: text(`varve.${name}`) };
}

/**
 * The options of a pool that may change tables: past any pooler, as their owner, with one connection
 * for the work and one for the lease.
 */
export const tablePoolOptions = (target: Target): PoolOptions => ({
  ...target,
  size: 2,
  applicationName: "varve partitions",
  statementTimeoutMs: STATEMENT_TIMEOUT_MS,
  acquireTimeoutMs: STATEMENT_TIMEOUT_MS,
  prepare: false,
  settings: { lock_timeout: LOCK_TIMEOUT_MS, vacuum_cost_delay: VACUUM_COST_DELAY_MS },
});

/** One move towards the table standing apart; false where an open transaction is in the way. */
async function moveApart(direct: Pool, table: Partition): Promise<boolean> {
  const how = table.table === "pending" ? "finalize" : "concurrently";
  try {
    await direct.query(
      onTable(table.name, (name) => `alter table varve.events detach partition ${name} ${how}`),
      [],
    );
    return true;
  } catch (error) {
    if (isCode(error, "database-timeout")) return false;
    throw error;
  }
}

/**
 * Detaches the table without holding up reads or appends, or goes on where another was killed
 * half-way. Every transaction that was open at the start must end first: it waits for them for
 * `waitMs` in all and then throws `partition-busy`; a repeat goes on from there.
 */
export async function detachTable(direct: Pool, name: string, waitMs: number): Promise<void> {
  const untilMs = monotonicMs() + waitMs;
  for (;;) {
    // What a killed program left running could come through later, and detach what is attached again.
    await direct.query(queries.endDetach, []);
    const tables = await listPartitions(direct);
    // Postgres has one detachment half-way at a time: it may be another partition's.
    const pending = tables.find(({ table }) => table === "pending");
    const next = pending ?? tables.find((one) => one.name === name);
    if (next === undefined || next.table === "apart" || next.table === "gone") return;
    const moved = await moveApart(direct, next);
    if (!moved && monotonicMs() > untilMs) {
      throw new VarveError(
        "partition-busy",
        `${next.name} is detached once the transactions that are open now have ended: run it again`,
        { partition: next.name },
      );
    }
    if (!moved) await sleep(limits.backoffMsMin);
  }
}

/**
 * Freezes a closed partition once for all: nothing changes in it any more. False where an old snapshot
 * of somebody kept pages from it.
 */
export async function freezePartition(direct: Pool, name: string): Promise<boolean> {
  await direct.query(
    onTable(name, (table) => `vacuum (freeze, analyze) ${table}`),
    [],
  );
  const [row] = await direct.query<{ frozen: boolean }>(queries.markFrozen, [name]);
  return row?.frozen === true;
}

/** Lets the planner know a table that was just filled. */
export async function analyzePartition(direct: Pool, name: string): Promise<void> {
  await direct.query(
    onTable(name, (table) => `analyze ${table}`),
    [],
  );
}

/** A page of a partition's table, as lines of JSON. */
export type TableLines = readonly { readonly position: number; readonly line: string }[];

/** Events after `after`, ascending, as lines: at most `count`, and about `bytes`. */
export const readLinesOf = (
  direct: Pool,
  name: string,
  page: { readonly after: number; readonly count: number; readonly bytes: number },
): Promise<TableLines> =>
  direct.query<{ position: number; line: string }>(queries.readPartition, [
    name,
    page.after,
    page.count,
    page.bytes,
  ]);
