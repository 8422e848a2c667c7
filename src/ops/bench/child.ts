import { spawn } from "node:child_process";
import { createInterface } from "node:readline";

import { Defect } from "#kernel/errors.ts";
import type { KeyTexts } from "#ops/config.ts";
import type { PoolOptions } from "#store/pool.ts";

import type { Load, Measured, Shape } from "./drive.ts";

/** Appends: answers with what was measured. */
type DriveRequest = { readonly kind: "drive"; readonly load: Load; readonly shape: Shape };
/** A stream and how many events it has. */
export type LoadedStream = { readonly id: string; readonly events: number };
/** Loads a stream: answers with the bytes that the process had resident at most meanwhile. */
type PeakRequest = { readonly kind: "peak"; readonly stream: LoadedStream };
/** Sends commands of made-up orders for a second: answers with how many became events. */
type CommandsRequest = {
  readonly kind: "commands";
  readonly perSecond: number;
  readonly keys: KeyTexts;
};

/** What a process is to do. Its secrets go through a pipe and not on a command line. */
export type ChildRequest = (DriveRequest | PeakRequest | CommandsRequest) & {
  readonly pool: PoolOptions;
};

export type Child<Answer> = {
  /** Does what was asked for once. */
  readonly measure: () => Promise<Answer>;
  /** Resolves when the process is gone. */
  readonly close: () => Promise<void>;
};

/** Us again: the compiled binary is a program of its own, the source needs its first file. */
export const itself = (): readonly string[] =>
  Bun.main.includes("$bunfs") || Bun.main.includes("~BUN") ? [] : [Bun.main];

/** Starts a process of our own program that measures when it is asked to. */
export function startChild<Request extends ChildRequest>(
  request: Request,
): Child<Request extends DriveRequest ? Measured : number> {
  const child = spawn(process.execPath, [...itself(), "bench", "child"], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const gone = Promise.withResolvers<void>();
  child.on("close", () => gone.resolve());
  // A pipe that breaks is seen by the answer that is missing.
  child.stdin.on("error", () => undefined);
  const answers = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const say = (value: unknown): void => void child.stdin.write(`${JSON.stringify(value)}\n`);
  say(request);
  return {
    measure: async () => {
      say("measure");
      const answer = await answers.next();
      if (answer.done === true) throw new Defect("a process of the measurement has ended");
      return JSON.parse(answer.value) as Request extends DriveRequest ? Measured : number;
    },
    close: () => {
      child.stdin.end();
      return gone.promise;
    },
  };
}
