import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";

export type ServiceOptions = {
  readonly command: readonly [string, ...string[]];
  readonly environment: NodeJS.ProcessEnv;
  readonly say: (message: string) => void;
};

export type Service = {
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
  let child = start();
  let draining: Promise<void> | null = null;
  let stopping = false;

  function start(): ChildProcess {
    // A group of its own: Ctrl-C reaches the whole group of the terminal, and a service that gets
    // the signal from there and from us would take the second for "at once".
    const started = spawn(program, args, { env: environment, stdio: "inherit", detached: true });
    started.on("error", (error) => say(`the service did not start: ${error.message}`));
    started.on("exit", (code, signal) => {
      if (draining === null) say(`the service ended (${signal ?? code}); change a file to restart`);
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
