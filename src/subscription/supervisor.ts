/**
 * The supervisor keeps one worker alive.
 *
 * A worker is alive while it beats. Any close that was not preceded by `drained` is a crash, whatever
 * its exit code says: an unhandled rejection in a Bun worker ends it with code 0. A worker that
 * is silent for too long is ended, even in an endless loop. After too many crashes within the window
 * it gives up, and the process has to end, so that the platform starts another.
 */
import type { Clock } from "#kernel/clock.ts";
import { limits } from "#kernel/limits.ts";
import type { Logger } from "#kernel/log.ts";

import type { FromWorker, SubscriptionReport, ToWorker, WorkerOptions } from "./messages.ts";

export type WorkerStatus = {
  readonly state: "starting" | "running" | "draining" | "stopped" | "given-up";
  readonly lastBeatAtMs: number;
  readonly crashes: number;
  readonly subscriptions: readonly SubscriptionReport[];
};

export type SupervisorOptions = {
  readonly worker: WorkerOptions;
  readonly clock: Clock;
  readonly log: Logger;
  /** Called once, when the worker crashed too often. */
  readonly onGivenUp: () => void;
};

export type Supervisor = {
  readonly hint: (position: number) => void;
  /** Resolves true when the worker has drained, false where it had to be ended. */
  readonly drain: (timeoutMs: number) => Promise<boolean>;
  readonly status: () => WorkerStatus;
};

/** Starts the worker. */
export function superviseWorker(options: SupervisorOptions): Supervisor {
  const { clock, log } = options;
  let worker: Worker | undefined;
  let state: WorkerStatus["state"] = "starting";
  let lastBeatAtMs = clock();
  let subscriptions: readonly SubscriptionReport[] = [];
  let crashedAtMs: number[] = [];
  const drained = Promise.withResolvers<boolean>();

  const send = (message: ToWorker): void => worker?.postMessage(message);

  const receive = (message: FromWorker): void => {
    lastBeatAtMs = clock();
    if (message.type === "ready" && state === "starting") state = "running";
    else if (message.type === "beat") ({ subscriptions } = message);
    else if (message.type === "log") log[message.level](message.fields, message.message);
    else if (message.type === "drained") {
      state = "stopped";
      drained.resolve(true);
    }
  };

  const crashed = (): void => {
    const nowMs = clock();
    crashedAtMs = [...crashedAtMs, nowMs].filter(
      (atMs) => atMs > nowMs - limits.workerCrashWindowMs,
    );
    log.error({ crashes: crashedAtMs.length }, "the worker has crashed");
    if (crashedAtMs.length >= limits.workerCrashes) {
      state = "given-up";
      options.onGivenUp();
    } else start();
  };

  const start = (): void => {
    const started = new Worker(new URL("./worker.ts", import.meta.url).href);
    worker = started;
    state = "starting";
    lastBeatAtMs = clock();
    started.addEventListener("message", ({ data }: MessageEvent<FromWorker>) => receive(data));
    started.addEventListener("error", (event) => {
      event.preventDefault();
      log.error({ reason: event.message }, "the worker has thrown");
    });
    started.addEventListener("close", () => {
      if (worker !== started) return;
      worker = undefined;
      if (state === "draining") drained.resolve(false);
      else if (state !== "stopped") crashed();
    });
    send({ type: "start", options: options.worker });
  };

  const watchdog = setInterval(() => {
    if (state === "stopped" || state === "given-up") return;
    if (clock() - lastBeatAtMs < limits.beatSilenceMs) return;
    log.error({ silentMs: clock() - lastBeatAtMs }, "the worker does not beat");
    lastBeatAtMs = clock();
    worker?.terminate();
  }, limits.leaseRenewMs);

  start();
  return {
    hint: (position) => send({ type: "hint", position }),
    drain: async (timeoutMs) => {
      if (state === "given-up" || worker === undefined) return false;
      state = "draining";
      send({ type: "drain" });
      const late = setTimeout(() => drained.resolve(false), timeoutMs);
      const inTime = await drained.promise;
      clearTimeout(late);
      clearInterval(watchdog);
      state = "stopped";
      worker?.terminate();
      return inTime;
    },
    status: () => ({ state, lastBeatAtMs, crashes: crashedAtMs.length, subscriptions }),
  };
}
