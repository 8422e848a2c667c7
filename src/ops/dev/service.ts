import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";

import { exitCodes } from "#ops/exit.ts";

export type ServiceOptions = {
  readonly command: readonly [string, ...string[]];
  readonly environment: NodeJS.ProcessEnv;
  readonly say: (message: string) => void;
};

export type Service = {
  /** Resolves when the very first process ends as one whose configuration is invalid; else never. */
  readonly misconfigured: Promise<void>;
  /** Drains the running process, then starts a new one. Calls during a drain count as one. */
  readonly restart: () => void;
  /** Drains the running process. Resolves when it has ended; nothing is started any more. */
  readonly stop: () => Promise<void>;
  /** Ends the running process without a drain. */
  readonly kill: () => void;
};

const ended = (child: ChildProcess): boolean =>
  child.exitCode !== null || child.signalCode !== null;

/** Runs the command until it is told otherwise. An end that nobody asked for is reported. */
export function startService({ command, environment, say }: ServiceOptions): Service {
  const [program, ...args] = command;
  const { promise: misconfigured, resolve: giveUp } = Promise.withResolvers<void>();
  const first = start();
  let child = first;
  let draining: Promise<void> | null = null;
  let stopping = false;

  function start(): ChildProcess {
    // A group of its own: Ctrl-C reaches the whole group of the terminal, and a service that gets
    // the signal from there and from us would take the second for "at once".
    const started = spawn(program, args, { env: environment, stdio: "inherit", detached: true });
    started.on("error", (error) => say(`the service did not start: ${error.message}`));
    started.on("exit", (code, signal) => {
      if (draining !== null) return;
      if (started === first && code === exitCodes.configuration) giveUp();
      else say(`the service ended (${signal ?? code}); change a file to restart`);
    });
    return started;
  }

  async function drain(): Promise<void> {
    if (ended(child)) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    child.once("exit", () => resolve());
    child.kill("SIGTERM");
    await promise;
  }

  return {
    misconfigured,
    restart: () => {
      if (stopping || draining !== null) return;
      draining = drain().then(() => {
        draining = null;
        if (!stopping) child = start();
      });
    },
    stop: async () => {
      stopping = true;
      await (draining ??= drain());
    },
    kill: () => {
      stopping = true;
      child.kill("SIGKILL");
    },
  };
}
