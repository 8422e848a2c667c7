/**
 * The supervisor keeps one worker alive.
 *
 * A worker is alive while it beats. Any close that was not preceded by `drained` is a crash, whatever
 * its exit code says: an unhandled rejection in a Bun worker ends it with code 0. A worker that
 * is silent for too long is ended, even in an endless loop. What it was working on then stands in
 * memory that both share, and the next worker is told. After too many crashes within the window it
 * gives up, and the process has to end, so that the platform starts another.
 */
import { type Clock, sleep } from "#kernel/clock.ts";
import { limits } from "#kernel/limits.ts";
import type { Logger } from "#kernel/log.ts";

import type { Failure } from "./failure.ts";
import { marksMemory, takeSuspects } from "./marks.ts";
import type { FromWorker, ToWorker, WorkerOptions } from "./messages.ts";

export type WorkerStatus = {
  readonly state: "starting" | "running" | "draining" | "stopped" | "given-up";
  /** Since its last sign of life. */
  readonly silentMs: number;
  readonly crashes: number;
};

export type SupervisorOptions = {
  readonly worker: Omit<WorkerOptions, "marks" | "suspects">;
  /** Monotonic: only differences are taken. */
  readonly clock: Clock;
  readonly log: Logger;
  /** Called once, when the worker crashed too often. */
  readonly onGivenUp: () => void;
  /** A subscription has failed; see `hooks.ts`. */
  readonly onFailure: (failure: Failure) => void;
  /** Checkpoints have moved. */
  readonly onMoved: () => void;
};

export type Supervisor = {
  readonly hint: (position: number) => void;
  /** Resolves true when the worker has drained, false where it had to be ended. */
  readonly drain: (timeoutMs: number) => Promise<boolean>;
  readonly status: () => WorkerStatus;
};

/** Crashes within the window after which the process gives up and exits. */
const CRASHES = 5;
const CRASH_WINDOW_MS = 60_000;

/** When the worker was heard last. `areMissing` is asked now and then. */
function createBeats(clock: Clock) {
  let lastMs = clock();
  let askedMs = lastMs;
  return {
    hear: (): void => void (lastMs = clock()),
    silentMs: (): number => clock() - lastMs,
    areMissing: (): boolean => {
      const [nowMs, beforeMs] = [clock(), askedMs];
      askedMs = nowMs;
      // Where this thread did not run either, what was sent meanwhile is still to be heard.
      const missedMs = nowMs - beforeMs > limits.beatSilenceMs / 2 ? nowMs - beforeMs : 0;
      lastMs = Math.min(nowMs, lastMs + missedMs);
      return nowMs - lastMs >= limits.beatSilenceMs;
    },
  };
}

/** Counts crashes within the window; true when there were too many. */
function createCrashCount(clock: Clock) {
  let atMs: readonly number[] = [];
  return {
    add: (): boolean => {
      const nowMs = clock();
      atMs = [...atMs, nowMs].filter((one) => one > nowMs - CRASH_WINDOW_MS);
      return atMs.length >= CRASHES;
    },
    count: (): number => atMs.length,
  };
}

/** Opens the thread. `onClose` is called once, however it ends. */
function openThread(
  log: Logger,
  worker: WorkerOptions,
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

/** What a worker says that is for others. */
function passOn({ log, onMoved, onFailure }: SupervisorOptions, message: FromWorker): void {
  if (message.type === "moved") onMoved();
  else if (message.type === "failure") onFailure(message.failure);
  else if (message.type === "log") log[message.level](message.fields, message.message);
}

/** Starts the worker. */
export function superviseWorker(options: SupervisorOptions): Supervisor {
  const { clock, log } = options;
  const marks = marksMemory();
  const crashes = createCrashCount(clock);
  const drained = Promise.withResolvers<boolean>();
  let thread: Worker | undefined;
  let state: WorkerStatus["state"] = "starting";
  const beats = createBeats(clock);

  const receive = (message: FromWorker): void => {
    beats.hear();
    if (message.type === "ready" && state === "starting") state = "running";
    else if (message.type === "drained") drained.resolve(true);
    else passOn(options, message);
  };

  const start = (): void => {
    beats.hear();
    const suspects = takeSuspects(marks);
    thread = openThread(log, { ...options.worker, marks, suspects }, receive, (closed) => {
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
    if (!beats.areMissing() || thread === undefined) return;
    log.error({ silentMs: beats.silentMs() }, "the worker does not beat");
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
      send(thread, { type: "drain", withinMs: timeoutMs });
      const inTime = await Promise.race([drained.promise, sleep(timeoutMs).then(() => false)]);
      state = "stopped";
      thread?.terminate();
      return inTime;
    },
    status: () => ({ state, silentMs: beats.silentMs(), crashes: crashes.count() }),
  };
}
