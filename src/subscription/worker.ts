/** The worker thread's entry: wires the loop to the messages of the supervisor. */
import { aggregates } from "#domain/registry.ts";
import { publicationsOf } from "#domain/publications.ts";
import { eventTypesOf } from "#domain/upcast.ts";
import { monotonicMs } from "#kernel/clock.ts";
import { Defect, invariant, VarveError } from "#kernel/errors.ts";
import { uuidv7 } from "#kernel/ids.ts";
import { limits } from "#kernel/limits.ts";
import type { LogFields, Logger } from "#kernel/log.ts";
import { defaultTenant } from "#pii/envelope.ts";
import { type Crash, recordCrash } from "#store/checkpoints.ts";
import { openPool, type Pool } from "#store/pool.ts";
import { subjectKeyStore } from "#store/subject-keys.ts";

import { startAudit } from "./audit.ts";
import { definitionOf, publishedBy } from "./declare.ts";
import { openTargets, type Targets } from "./delivery/targets.ts";
import { withoutValues } from "./error-fields.ts";
import { startHousekeeping } from "./housekeeping.ts";
import { keyringOf } from "./keyring.ts";
import { createLoop, type Loop } from "./loop.ts";
import { createMaintenance, type Maintenance } from "./maintenance.ts";
import { createMarks, type Suspect } from "./marks.ts";
import type { FromWorker, ToWorker, WorkerOptions } from "./messages.ts";
import { retryDelayMs } from "./settings.ts";
import {
  handlerSubscription,
  reactorSubscription,
  type Subscription,
  viewSubscription,
} from "./subscriptions.ts";

declare const self: Worker;

function say(message: FromWorker): void {
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
  self.postMessage(message);
}

const logAs =
  (level: "debug" | "info" | "warn" | "error") =>
  (fields: LogFields, message: string): void =>
    say({ type: "log", level, fields: withoutValues(fields), message });

const log: Logger = {
  debug: logAs("debug"),
  info: logAs("info"),
  warn: logAs("warn"),
  error: logAs("error"),
};

/** Messages cost more than what they tell: a burst of moves is told of once. */
const MOVED_MS = 5;

function sparingly(tell: () => void): () => void {
  let isDue = false;
  return () => {
    if (isDue) return;
    isDue = true;
    setTimeout(() => {
      isDue = false;
      tell();
    }, MOVED_MS);
  };
}

/** Compares what this process holds with the log; a fault is a failure like others, and an alarm. */
const auditHeld = (loop: Loop, pool: Pool): (() => Promise<void>) =>
  startAudit({
    pool,
    log,
    held: () => loop.report().map(({ name, partition }) => ({ subscription: name, partition })),
    onFault: (subscription, { partition, positions }) => {
      const [position] = positions;
      const at = position === undefined ? {} : { position };
      const kind = { code: "proof-broken", category: "permanent", severity: "critical" } as const;
      const failure = {
        ...kind,
        subscription,
        partition,
        ...at,
        attempt: 1,
        outcome: "found",
      } as const;
      say({ type: "failure", failure });
    },
  });

type Parts = {
  readonly loop: Loop;
  readonly maintenance: Maintenance;
  readonly pool: Pool;
  readonly targets: Targets;
  readonly recordSuspects: () => Promise<void>;
};

async function run({ loop, maintenance, pool, targets, recordSuspects }: Parts): Promise<void> {
  const beat = (): void => say({ type: "beat" });
  say({ type: "ready" });
  const beating = setInterval(beat, limits.beatMs);
  beat();
  await recordSuspects();
  const stopHousekeeping = startHousekeeping(pool, log);
  const stopMaintenance = maintenance.start();
  const stopAudit = auditHeld(loop, pool);
  try {
    await loop.run();
  } catch (error) {
    log.error({ error }, "the loop has ended by a defect");
    throw error instanceof Error ? error : new Defect("the loop has ended");
  }
  clearInterval(beating);
  stopHousekeeping();
  await Promise.all([stopMaintenance(), stopAudit()]);
  await Promise.all([targets.close(), pool.close(limits.beatMs)]);
  say({ type: "drained" });
}

/** Every subscription of the registry, as this program can run it. */
function subscriptionsOf(options: WorkerOptions, targets: Targets): readonly Subscription[] {
  const shared = { defaults: options.subscriptions, eventTypes: eventTypesOf(aggregates) };
  const views = aggregates.flatMap((aggregate) =>
    aggregate.views.map((view) => {
      const fingerprint = options.fingerprints.get(definitionOf(view));
      invariant(fingerprint !== undefined, `the view ${view.name} has no fingerprint`);
      return viewSubscription(view, fingerprint, shared);
    }),
  );
  const reactors = aggregates.flatMap(({ reactors = [] }) =>
    reactors.map((reactor) => reactorSubscription(reactor, options.variables, shared)),
  );
  const publications = publishedBy(aggregates, options.delivery.targets).map((publication) =>
    handlerSubscription(
      publication,
      (event, { signal }) => targets.publish(publication.name, event, signal),
      shared,
    ),
  );
  return [...views, ...reactors, ...publications];
}

/**
 * Before anything is worked on again: what the worker before was working on when it ended. Without
 * that, an event that ends the worker would do so for ever.
 */
async function recordSuspects(
  pool: Pool,
  suspects: readonly Suspect[],
  subscriptions: readonly Subscription[],
): Promise<void> {
  const crashes = suspects.flatMap(({ subscription, position }): readonly Crash[] => {
    const name = subscription.replace(/:.*$/, "");
    const settings = subscriptions.find(({ runnable }) => runnable.name === name)?.settings;
    if (settings === undefined) return [];
    log.error({ subscription, position }, "the worker ended while it worked on an event");
    const delayMs = Math.ceil(retryDelayMs(settings, 1));
    return [{ subscription, position, attemptsMax: settings.retries + 1, delayMs }];
  });
  if (crashes.length === 0) return;
  await recordCrash(pool, crashes).catch((error: unknown) => {
    if (!(error instanceof VarveError)) throw error;
    log.warn({ error }, "the end of the worker was not written down");
  });
}

/** Where publications go; keys are held only where one of them opens fields. */
async function targetsOf({ delivery, keys }: WorkerOptions, pool: Pool): Promise<Targets> {
  const publications = publicationsOf(aggregates);
  const opens = publications.some(
    ({ name, opened }) => opened.size > 0 && delivery.targets.some((one) => one.name === name),
  );
  const options = { ...delivery, publications, clock: Date.now };
  if (!opens) return openTargets(options);
  const keyring = await keyringOf(keys, subjectKeyStore(pool, defaultTenant));
  return openTargets({ ...options, keyring });
}

async function start(options: WorkerOptions): Promise<Loop> {
  const pool = openPool(options.pool);
  const targets = await targetsOf(options, pool);
  const subscriptions = subscriptionsOf(options, targets);
  const loop = createLoop({
    pool,
    owner: uuidv7(),
    subscriptions,
    eventTypes: eventTypesOf(aggregates),
    marks: createMarks(options.marks),
    clock: monotonicMs,
    log,
    onFailure: (failure) => say({ type: "failure", failure }),
    onMoved: sparingly(() => say({ type: "moved" })),
  });
  const maintenance = createMaintenance(pool, options.maintenance, { log, clock: monotonicMs });
  void run({
    loop,
    maintenance,
    pool,
    targets,
    recordSuspects: () => recordSuspects(pool, options.suspects, subscriptions),
  });
  return loop;
}

let loop: Promise<Loop> | undefined;

self.onmessage = ({ data }: MessageEvent<ToWorker>): void => {
  if (data.type === "start") loop = start(data.options);
  else if (data.type === "hint") void loop?.then(({ wake }) => wake());
  else void loop?.then(({ drain }) => drain(data.withinMs));
};
