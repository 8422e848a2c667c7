/**
 * The supervisor keeps one worker alive.
 *
 * A worker is alive while it beats. Any close that was not preceded by `drained` is a crash, whatever
 * its exit code says: an unhandled rejection in a Bun worker ends it with code 0. A worker that
 * is silent for too long is ended, even in an endless loop. After too many crashes within the window
 * it gives up, and the process has to end, so that the platform starts another.
 */
import { type Clock, sleep } from "#kernel/clock.ts";
import { limits } from "#kernel/limits.ts";
import type { Logger } from "#kernel/log.ts";

import type { FromWorker, SubscriptionReport, ToWorker, WorkerOptions } from "./messages.ts";

export type WorkerStatus = {
  readonly state: "starting" | "running" | "draining" | "stopped" | "given-up";
  /** Since its last sign of life. */
  readonly silentMs: number;
  readonly crashes: number;
  readonly subscriptions: readonly SubscriptionReport[];
};

export type SupervisorOptions = {
  readonly worker: WorkerOptions;
  /** Monotonic: only differences are taken. */
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

/** Counts crashes within the window; true when there were too many. */
function createCrashCount(clock: Clock) {
  let atMs: readonly number[] = [];
  return {
    add: (): boolean => {
      const nowMs = clock();
      atMs = [...atMs, nowMs].filter((one) => one > nowMs - limits.workerCrashWindowMs);
      return atMs.length >= limits.workerCrashes;
    },
    count: (): number => atMs.length,
  };
}

/** Opens the thread. `onClose` is called once, however it ends. */
function openThread(
  { worker, log }: SupervisorOptions,
  receive: (message: FromWorker) => void,
  onClose: (thread: Worker) => void,
): Worker {
  const thread = new Worker(new URL("./worker.ts", import.meta.url).href);
  thread.addEventListener("message", ({ data }: MessageEvent<FromWorker>) => receive(data));
  thread.addEventListener("error", (event) => {
    event.preventDefault();
    // Its message can quote values; the worker has logged where a defect of ours arose.
    log.error({ kind: /^\w*Error/.exec(event.message)?.[0] }, "the worker has thrown");
  });
  thread.addEventListener("close", () => onClose(thread));
  send(thread, { type: "start", options: worker });
  return thread;
}

function send(thread: Worker | undefined, message: ToWorker): void {
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
  thread?.postMessage(message);
}

/** Starts the worker. */
export function superviseWorker(options: SupervisorOptions): Supervisor {
  const { clock, log } = options;
  const crashes = createCrashCount(clock);
  const drained = Promise.withResolvers<boolean>();
  let thread: Worker | undefined;
  let state: WorkerStatus["state"] = "starting";
  let lastBeatAtMs = clock();
  let subscriptions: readonly SubscriptionReport[] = [];

  const receive = (message: FromWorker): void => {
    lastBeatAtMs = clock();
    if (message.type === "ready" && state === "starting") state = "running";
    else if (message.type === "beat") ({ subscriptions } = message);
    else if (message.type === "log") log[message.level](message.fields, message.message);
    else if (message.type === "drained") drained.resolve(true);
  };

  const start = (): void => {
    lastBeatAtMs = clock();
    thread = openThread(options, receive, (closed) => {
      if (closed !== thread) return;
      thread = undefined;
      if (state === "draining" || state === "stopped") drained.resolve(false);
      else onCrash();
    });
  };

  /** A drain may have come during the pause. */
  const again = (): void => {
    if (state === "starting") start();
  };

  const onCrash = (): void => {
    const tooMany = crashes.add();
    log.error({ crashes: crashes.count() }, "the worker has crashed");
    state = tooMany ? "given-up" : "starting";
    if (tooMany) options.onGivenUp();
    else setTimeout(again, limits.backoffMsMin * 2 ** crashes.count());
  };

  const watchdog = setInterval(() => {
    const silentMs = clock() - lastBeatAtMs;
    if (thread === undefined || silentMs < limits.beatSilenceMs) return;
    log.error({ silentMs }, "the worker does not beat");
    thread.terminate();
  }, limits.leaseRenewMs);

  start();
  return {
    hint: (position) => send(thread, { type: "hint", position }),
    drain: async (timeoutMs) => {
      clearInterval(watchdog);
      if (thread === undefined) {
        state = "stopped";
        return false;
      }
      state = "draining";
      // The rest of the time is for the page in hand and for giving the leases back.
      send(thread, { type: "drain", catchUpMs: timeoutMs / 2 });
      const inTime = await Promise.race([drained.promise, sleep(timeoutMs).then(() => false)]);
      state = "stopped";
      thread?.terminate();
      return inTime;
    },
    status: () => {
      const silentMs = clock() - lastBeatAtMs;
      return { state, silentMs, crashes: crashes.count(), subscriptions };
    },
  };
}
