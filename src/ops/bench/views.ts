/** The views of every aggregate in a measurement, kept by the worker as a service starts it. */
import { aggregates } from "#domain/registry.ts";
import { monotonicMs, sleep } from "#kernel/clock.ts";
import { Defect, invariant } from "#kernel/errors.ts";
import { limits } from "#kernel/limits.ts";
import type { KeyTexts } from "#ops/config.ts";
import { connectionShares } from "#ops/config-pool.ts";
import { viewFingerprints } from "#ops/fingerprints.ts";
import { readCheckpoints } from "#store/documents.ts";
import { readHead, readSubscriptionPage } from "#store/events.ts";
import { tablePoolOptions } from "#store/partitions/tables.ts";
import type { Pool, PoolOptions } from "#store/pool.ts";
import { resetSubscription } from "#store/subscriptions.ts";
import { declareSubscriptions, viewsOf } from "#subscription/declare.ts";
import type { SettingDefaults } from "#subscription/settings.ts";
import { superviseWorker } from "#subscription/supervisor.ts";

/** Between looks at the checkpoints: of seconds, and what a look costs must not become the load. */
const LOOK_AGAIN_MS = 25;
/** A worker that has not moved for so long does not work. */
const STALLED_MS = 30_000;
const DRAIN_MS = 10_000;
const LOOK_MS = 5_000;

const views = viewsOf(aggregates);

export type ViewsOptions = {
  readonly pool: Pool;
  /** As a service would open its pools, of which the worker has its share. */
  readonly poolOptions: PoolOptions;
  readonly settings: SettingDefaults;
  readonly keys: KeyTexts;
};

const ignored = (): void => undefined;

/** Starts the worker thread; `end` drains it and throws what it has complained of. */
function startWorker(
  { poolOptions, settings, keys }: ViewsOptions,
  fingerprints: ReadonlyMap<string, string>,
) {
  const complaints: string[] = [];
  const complain = (_: unknown, message: string): void => void complaints.push(message);
  const worker = superviseWorker({
    worker: {
      pool: { ...poolOptions, size: connectionShares(poolOptions.size).worker },
      subscriptions: settings,
      fingerprints,
      variables: {},
      delivery: { source: "urn:varve:bench", targets: [] },
      keys,
      maintenance: {
        archiveDirectory: undefined,
        retentionMonths: undefined,
        direct: tablePoolOptions(poolOptions),
      },
    },
    clock: monotonicMs,
    log: { debug: ignored, info: ignored, warn: complain, error: complain },
    onGivenUp: ignored,
    onFailure: ({ code }) => void complaints.push(code),
    onMoved: ignored,
  });
  return {
    end: async (): Promise<void> => {
      await worker.drain(DRAIN_MS);
      invariant(complaints.length === 0, `the worker complains: ${complaints.join(", ")}`);
    },
  };
}

/** How far the slowest view is. */
async function slowest(pool: Pool): Promise<number> {
  const reached = await readCheckpoints(pool, LOOK_MS);
  return Math.min(...views.map(({ name }) => reached.get(name) ?? 0));
}

/**
 * Events a second from the first that all views have taken to the position, so that the start of
 * the thread and its wait for a lease do not count.
 */
async function timeCatchUp(pool: Pool, to: number): Promise<number> {
  let first = { atMs: monotonicMs(), position: 0 };
  let last = first;
  for (;;) {
    const position = await slowest(pool);
    const now = { atMs: monotonicMs(), position };
    if (position >= to) return ((to - first.position) / (now.atMs - first.atMs)) * 1_000;
    if (first.position === 0 && position > 0) first = now;
    if (position > last.position) last = now;
    if (now.atMs - last.atMs > STALLED_MS) throw new Defect("the views do not catch up");
    await sleep(LOOK_AGAIN_MS);
  }
}

/** Makes the views' tables. */
export async function prepareViews({ pool, settings }: ViewsOptions) {
  const fingerprints = await viewFingerprints(aggregates);
  await declareSubscriptions(pool, { aggregates, targets: [], fingerprints, defaults: settings });
  return fingerprints;
}

/** Events a second of all views together, from zero to the head that the log has now. */
export async function catchUp(options: ViewsOptions): Promise<number> {
  const { pool } = options;
  const fingerprints = await prepareViews(options);
  for (const { name } of views) {
    const outcome = await resetSubscription(pool, name, 0);
    invariant(outcome === "done", `the view ${name} was not reset: ${outcome}`);
  }
  const head = await readHead(pool);
  const worker = startWorker(options, fingerprints);
  const perSecond = await timeCatchUp(pool, head);
  await worker.end();
  return perSecond;
}

/** Events a second of the pages that the views need, read by one after the other and left at that. */
export async function readThrough(pool: Pool): Promise<number> {
  const head = await readHead(pool);
  const types = [...new Set(views.flatMap(({ events }) => events))];
  const startedAt = monotonicMs();
  for (let after = 0; after < head;) {
    const page = await readSubscriptionPage(pool, { after, limit: limits.readEvents, types });
    after = page.scannedTo;
  }
  return (head / (monotonicMs() - startedAt)) * 1_000;
}
