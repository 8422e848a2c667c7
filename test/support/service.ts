/**
 * The service as a process of its own, for tests that signal it, kill it or take its database away.
 *
 * What it is. `startService` runs `serve` (from source, or any other command such as the compiled
 * binary) in production mode on a free port of 127.0.0.1 against the caller's database, in a working
 * folder of its own; `runVerb` runs any other verb to its end.
 *
 * What it promises. A service that resolves is ready. Nothing of the test's environment reaches it.
 * `endServices`, to be called after each test, kills what still runs and removes its folders.
 *
 * What it relies on. The log line "serving", which names the port.
 */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { until } from "#test/until.ts";

const keyText = (byte: number): string => new Uint8Array(32).fill(byte).toBase64();

/** The program from source; the working folder may be any. */
export const fromSource: readonly string[] = [process.execPath, join(process.cwd(), "src/main.ts")];

export type ProcessOptions = {
  readonly databaseUrl: string;
  /** Program and arguments before the verb. Default: from source. */
  readonly command?: readonly string[];
  /** Beside or instead of the production settings. */
  readonly environment?: Readonly<Record<string, string>>;
  /** The working folder. Default: a new one. */
  readonly directory?: string;
  /** Who runs it; only for root to say. */
  readonly account?: { readonly uid: number; readonly gid: number };
};

export type Exit = { readonly code: number | null; readonly signal: NodeJS.Signals | null };

export type LogLine = Readonly<Record<string, unknown>>;

export type Service = {
  readonly url: string;
  readonly pid: number;
  readonly directory: string;
  /** From the start of the process until it said that it was ready. */
  readonly readyMs: number;
  /** All that it has written, log and errors. */
  readonly output: () => string;
  /** The lines of its log. Throws where one is not a JSON object. */
  readonly log: () => readonly LogLine[];
  readonly signal: (name: NodeJS.Signals) => void;
  readonly exited: Promise<Exit>;
  /** Signals it and waits for its end. */
  readonly stop: (name?: NodeJS.Signals) => Promise<Exit>;
};

const children = new Set<ChildProcess>();
const folders = new Set<string>();

/** A folder that `endServices` removes; readable by everyone. */
export function scratchFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "varve-service-"));
  folders.add(folder);
  return folder;
}

/** Kills what the file started and still runs, and removes the folders. For `afterEach`. */
export async function endServices(): Promise<void> {
  for (const child of children) child.kill("SIGKILL");
  await until("the processes are gone", () => children.size === 0);
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
  folders.clear();
}

/** What a production process needs, and nothing else; the port is a free one. */
const production = (databaseUrl: string): Record<string, string> => ({
  PATH: process.env["PATH"] ?? "",
  APP_ENV: "production",
  HOST: "127.0.0.1",
  PORT: "0",
  DATABASE_URL: databaseUrl,
  PII_MASTER_KEYS: `test:${keyText(1)}`,
  PII_LOOKUP_KEY: keyText(2),
  PII_INDEX_KEY: keyText(3),
  AUDIT_SIGNING_KEY: `MC4CAQAwBQYDK2VwBCIEI${"A".repeat(43)}`,
});

/** Starts a verb; resolves nothing by itself. */
export function spawnVerb(verb: readonly string[], options: ProcessOptions) {
  const { databaseUrl, command = fromSource, environment = {}, account } = options;
  const directory = options.directory ?? scratchFolder();
  const [program = "", ...before] = command;
  const child = spawn(program, [...before, ...verb], {
    ...account,
    cwd: directory,
    env: { ...production(databaseUrl), ...environment },
    stdio: ["ignore", "pipe", "pipe"],
  });
  children.add(child);
  let [out, errors] = ["", ""];
  child.stdout.on("data", (chunk: Buffer) => (out += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (errors += chunk.toString()));
  const exited = Promise.withResolvers<Exit>();
  child.on("error", exited.reject);
  child.on("close", (code, signal) => {
    children.delete(child);
    exited.resolve({ code, signal });
  });
  return {
    child,
    directory,
    exited: exited.promise,
    stdout: (): string => out,
    stderr: (): string => errors,
  };
}

/** Runs a verb to its end. */
export async function runVerb(verb: readonly string[], options: ProcessOptions) {
  const { exited, stdout, stderr } = spawnVerb(verb, options);
  const { code } = await exited;
  return { code, stdout: stdout(), stderr: stderr() };
}

/** A new API key with the scopes, made by the program itself. */
export async function createKey(options: ProcessOptions, scopes = "*"): Promise<string> {
  const verb = ["keys", "create", "--name", "test", "--scopes", scopes];
  const { code, stdout, stderr } = await runVerb(verb, options);
  if (code !== 0) throw new Error(`keys create ended with ${code}: ${stderr}`);
  return stdout.trim();
}

const startMsMax = 15_000;

const isReady = async (url: string): Promise<boolean> => {
  const answer = await fetch(`${url}/health/ready`).catch(() => null);
  await answer?.arrayBuffer();
  return answer?.status === 200;
};

/** Starts the service and waits until it is ready. Throws with its output where it ends instead. */
export async function startService(options: ProcessOptions): Promise<Service> {
  const startedMs = performance.now();
  const { child, directory, exited, stdout, stderr } = spawnVerb(["serve"], options);
  const output = (): string => `${stdout()}${stderr()}`;
  const port = await until(
    "the service serves",
    () => {
      const found = /"port":(\d+).*"message":"serving"/.exec(stdout())?.[1];
      const ended = child.exitCode !== null || child.signalCode !== null;
      if (found === undefined && ended) throw new Error(`it ended:\n${output()}`);
      return found;
    },
    startMsMax,
  );
  const url = `http://127.0.0.1:${port}`;
  await until("the service is ready", () => isReady(url), startMsMax);
  const readyMs = performance.now() - startedMs;
  const signal = (name: NodeJS.Signals): void => void child.kill(name);
  return {
    url,
    pid: child.pid ?? 0,
    directory,
    readyMs,
    output,
    log: () => linesOf(stdout()),
    signal,
    exited,
    stop: (name = "SIGTERM") => {
      signal(name);
      return exited;
    },
  };
}

const linesOf = (text: string): readonly LogLine[] =>
  text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => {
      const parsed: unknown = JSON.parse(line);
      if (typeof parsed !== "object" || parsed === null) throw new Error(`not an object: ${line}`);
      return parsed as LogLine;
    });
