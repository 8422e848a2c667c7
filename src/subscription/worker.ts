/** The worker thread's entry: wires the loop to the messages of the supervisor. */
import { aggregates } from "#domain/registry.ts";
import { eventTypesOf } from "#domain/upcast.ts";
import { monotonicMs } from "#kernel/clock.ts";
import { Defect } from "#kernel/errors.ts";
import { uuidv7 } from "#kernel/ids.ts";
import { limits } from "#kernel/limits.ts";
import type { LogFields, Logger } from "#kernel/log.ts";
import { openPool, type Pool } from "#store/pool.ts";

import { withoutValues } from "./error-fields.ts";
import { startHousekeeping } from "./housekeeping.ts";
import { createLoop, type Loop } from "./loop.ts";
import { createMaintenance, type Maintenance } from "./maintenance.ts";
import type { FromWorker, ToWorker, WorkerOptions } from "./messages.ts";

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

async function run(loop: Loop, maintenance: Maintenance, pool: Pool): Promise<void> {
  const beat = (): void => say({ type: "beat", subscriptions: loop.report() });
  say({ type: "ready" });
  const stopHousekeeping = startHousekeeping(pool, log);
  const stopMaintenance = maintenance.start();
  const beating = setInterval(beat, limits.beatMs);
  beat();
  try {
    await loop.run();
  } catch (error) {
    log.error({ error }, "the loop has ended by a defect");
    throw error instanceof Error ? error : new Defect("the loop has ended");
  }
  clearInterval(beating);
  stopHousekeeping();
  await stopMaintenance();
  await pool.close(limits.beatMs);
  say({ type: "drained" });
}

function start({ pool: poolOptions, maintenance, ...options }: WorkerOptions): Loop {
  const pool = openPool(poolOptions);
  const views = aggregates.flatMap((aggregate) => aggregate.views);
  const eventTypes = eventTypesOf(aggregates);
  const owner = uuidv7();
  const loop = createLoop({
    ...options,
    pool,
    owner,
    views,
    eventTypes,
    clock: monotonicMs,
    log,
  });
  const upkeep = createMaintenance(pool, maintenance, { log, clock: monotonicMs });
  void run(loop, upkeep, pool);
  return loop;
}

let loop: Loop | undefined;

self.onmessage = ({ data }: MessageEvent<ToWorker>): void => {
  if (data.type === "start") loop = start(data.options);
  else if (data.type === "hint") loop?.wake();
  else loop?.drain(data.catchUpMs);
};
