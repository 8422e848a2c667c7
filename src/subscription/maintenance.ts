/**
 * The upkeep of the partitions: months are made ahead, closed, frozen and archived.
 *
 * What it promises: one instance at a time does it, by the lease that the command line takes too. It
 * never holds up a view: what takes long runs on a connection of its own, opened only when there is
 * something to do. Whatever is interrupted is gone on with by whoever comes next.
 *
 * What it relies on: the clock of the database, and the steps of `store/partitions`, each of which can
 * be repeated.
 *
 * How it fails: a failure is logged when it is news, written down for health, and tried again after
 * a pause that doubles. A partition that is still needed is no failure: it is asked for again.
 *
 * What it does not do: bring anything back, or archive again what a person has brought back.
 */
import { sleep, type Clock } from "#kernel/clock.ts";
import { isCode, VarveError, type ErrorCode } from "#kernel/errors.ts";
import { limits } from "#kernel/limits.ts";
import type { Logger } from "#kernel/log.ts";
import { archivePartition, type Keeper } from "#store/partitions/archive.ts";
import {
  closePartitions,
  listPartitions,
  monthsAhead,
  preparePartitions,
  recordUpkeep,
  withPartitionLease,
  type Partition,
} from "#store/partitions/register.ts";
import { freezePartition } from "#store/partitions/tables.ts";
import { openPool, type Pool, type PoolOptions } from "#store/pool.ts";

export type MaintenanceOptions = {
  /** See `tablePoolOptions`. */
  readonly direct: PoolOptions;
  readonly archiveDirectory: string | undefined;
  /** Undefined: every month stays. Never set without `archiveDirectory`. */
  readonly retentionMonths: number | undefined;
};

export type Maintenance = {
  /** One run, unless another instance is at it. Never rejects with a VarveError. */
  readonly run: () => Promise<void>;
  /**
   * Runs now and then. Returns the way to stop, which waits a moment for the step in hand: one that
   * takes longer is cut off, and the next holder of the lease goes on with it.
   */
  readonly start: () => () => Promise<void>;
};

/** After its end a month gets no event of a clock that is a little behind. */
const CLOSE_AFTER_MS = 5 * 60_000;
/** An open transaction of somebody is waited out by the next run, not by this one. */
const WAIT_MS = 10_000;
const PAUSE_MS_MAX = 60 * 60_000;
/** Most steps are short, and a lease that is given back need not be waited for. */
const STOP_MS = 1_000;

/** What stands in the way, as health tells it; null where nothing does. */
type Trouble = ErrorCode | "not-owner" | null;

const needsFreezing = (
  { name, closed, state, table, frozenAt }: Partition,
  { freezeAtMs, clock }: Context,
): boolean =>
  closed &&
  state === "attached" &&
  table === "attached" &&
  frozenAt === null &&
  clock() >= (freezeAtMs.get(name) ?? 0);

const needsArchiving = ({ due, state }: Partition): boolean =>
  due && (state === "attached" || state === "detached");

type Context = MaintenanceOptions & {
  readonly pool: Pool;
  readonly log: Logger;
  readonly clock: Clock;
  /** Until when a partition is left alone that could not be frozen. */
  readonly freezeAtMs: Map<string, number>;
  readonly isStopped: () => boolean;
};

async function archiveOne(context: Context, keeper: Keeper, name: string): Promise<void> {
  const { archiveDirectory, log } = context;
  if (archiveDirectory === undefined) return;
  try {
    await archivePartition(keeper, name, archiveDirectory);
    log.info({ partition: name }, "a partition was archived");
  } catch (error) {
    if (!isCode(error, "partition-kept")) throw error;
    log.debug({ partition: name, error }, "a partition is kept");
  }
}

/** What takes long, as the owner of the tables. */
async function freezeAndArchive(context: Context, owner: string, direct: Pool): Promise<Trouble> {
  const all = await listPartitions(direct, context.retentionMonths);
  for (const { name } of all.filter((one) => needsFreezing(one, context) && one.own)) {
    if (context.isStopped()) return null;
    const frozen = await freezePartition(direct, name);
    // A backup's snapshot may last for hours, and a vacuum reads what is not frozen each time.
    if (!frozen) context.freezeAtMs.set(name, context.clock() + PAUSE_MS_MAX);
  }
  for (const { name } of all.filter((one) => needsArchiving(one) && one.own)) {
    if (context.isStopped()) return null;
    await archiveOne(context, { owner, direct, waitMs: WAIT_MS }, name);
  }
  const others = all.some(
    (one) => !one.own && (needsFreezing(one, context) || needsArchiving(one)),
  );
  return others ? "not-owner" : null;
}

/** All that is due, as the holder of the lease. */
async function keepUp(context: Context, owner: string): Promise<Trouble> {
  const { pool, log, retentionMonths } = context;
  // A clock that must not be believed ends the run here, before it has made anything of it.
  const closed = await closePartitions(pool, CLOSE_AFTER_MS, Date.now);
  const made = await preparePartitions(pool, monthsAhead);
  if (made.length + closed.length > 0) log.info({ made, closed }, "partitions were made or closed");
  const all = await listPartitions(pool, retentionMonths);
  if (!all.some((one) => needsFreezing(one, context) || needsArchiving(one))) return null;
  const direct = openPool(context.direct);
  try {
    return await freezeAndArchive(context, owner, direct);
  } finally {
    await direct.close(limits.beatMs);
  }
}

/** Logs trouble when it is news. */
function createTeller(log: Logger): (trouble: Trouble, error: unknown) => void {
  let told: Trouble = null;
  return (trouble, error) => {
    if (trouble !== null && trouble !== told) {
      const message =
        trouble === "not-owner"
          ? "the role of DIRECT_DATABASE_URL does not own the partitions: none is frozen or archived"
          : "the partitions are not kept up";
      log[trouble === "not-owner" ? "warn" : "error"]({ code: trouble, error }, message);
    }
    told = trouble;
  };
}

/** What a run came to; undefined where another has the lease, which is no trouble. */
async function runOnce(
  context: Context,
): Promise<{ readonly trouble: Trouble; readonly error?: unknown } | undefined> {
  try {
    return { trouble: await withPartitionLease(context.pool, (owner) => keepUp(context, owner)) };
  } catch (error) {
    if (!(error instanceof VarveError)) throw error;
    const elsewhere = error.code === "partition-busy" && error.context["partition"] === undefined;
    return elsewhere ? undefined : { trouble: error.code, error };
  }
}

/** Makes the upkeep; nothing runs yet. */
export function createMaintenance(
  pool: Pool,
  options: MaintenanceOptions,
  { log, clock }: { readonly log: Logger; readonly clock: Clock },
): Maintenance {
  let stopped = false;
  let dueAtMs = 0;
  let underWay: Promise<void> | undefined;
  const context: Context = {
    ...options,
    pool,
    log,
    clock,
    freezeAtMs: new Map(),
    isStopped: () => stopped,
  };
  const tell = createTeller(log);

  const run = async (): Promise<void> => {
    const outcome = await runOnce(context);
    if (outcome === undefined) return;
    tell(outcome.trouble, outcome.error);
    const failures = await recordUpkeep(pool, outcome.trouble).catch(() => 1);
    const pauseMs = Math.min(PAUSE_MS_MAX, limits.housekeepingMs * 2 ** failures);
    dueAtMs = failures === 0 ? 0 : clock() + pauseMs;
  };

  const look = (): void => {
    if (underWay !== undefined || clock() < dueAtMs) return;
    underWay = run().finally(() => {
      underWay = undefined;
    });
  };

  return {
    run,
    start: () => {
      const timer = setInterval(look, limits.housekeepingMs);
      look();
      return async () => {
        stopped = true;
        clearInterval(timer);
        await Promise.race([underWay, sleep(STOP_MS)]);
      };
    },
  };
}
