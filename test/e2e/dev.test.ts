import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  realpathSync,
  rmSync,
} from "node:fs";
import { symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterEach, beforeEach, expect, test } from "bun:test";
import postgres from "postgres";

import { until } from "#test/until.ts";

/** A service of its own, for `dev` only has to start, drain and restart one. */
const service = `
import postgres from "postgres";
const sql = postgres(process.env.DATABASE_URL, { max: 1, onnotice: () => undefined });
await sql\`create table if not exists starts (at timestamptz default clock_timestamp())\`;
await sql\`insert into starts default values\`;
const [{ count }] = await sql\`select count(*)::int from starts\`;
process.on("SIGTERM", async () => {
  await sql\`select pg_sleep(0.2)\`;
  console.log("drained", count);
  process.exit(0);
});
console.log("ready", count, process.pid, process.env.DATABASE_URL);
setInterval(() => undefined, 1_000);
`;

let tree = "";
const running: ChildProcess[] = [];

beforeEach(() => {
  tree = mkdtempSync(join(tmpdir(), "varve-dev-"));
  for (const path of ["package.json", "bunfig.toml", "src/ops", "src/kernel"]) {
    cpSync(path, join(tree, path), { recursive: true });
  }
  mkdirSync(join(tree, "sql"));
  writeFileSync(join(tree, "src", "main.ts"), service);
  symlinkSync(join(process.cwd(), "node_modules"), join(tree, "node_modules"));
});

afterEach(async () => {
  for (const child of running.splice(0)) child.kill("SIGKILL");
  await until("Postgres is gone", () => !existsSync(lockFile()));
  // For root the cluster of a private folder lies elsewhere.
  const cluster = join(tree, ".varve", "postgres");
  if (existsSync(cluster)) rmSync(realpathSync(cluster), { recursive: true });
  rmSync(tree, { recursive: true });
});

const lockFile = (): string => join(tree, ".varve", "postgres", "postmaster.pid");

type Dev = { readonly child: ChildProcess; readonly output: () => string };

function startDev(...args: readonly string[]): Dev {
  const child = spawn(process.execPath, ["src/ops/dev.ts", ...args], {
    cwd: tree,
    env: { PATH: process.env["PATH"] },
    stdio: ["ignore", "pipe", "pipe"],
  });
  running.push(child);
  let output = "";
  child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (output += chunk.toString()));
  return { child, output: () => output };
}

const seen = async ({ output }: Dev, pattern: RegExp): Promise<RegExpExecArray> =>
  until(`${pattern} in\n${output()}`, () => pattern.exec(output()), 15_000);

const ended = ({ child }: Dev): Promise<number | string> =>
  until(
    "dev has ended",
    () => child.signalCode ?? (child.exitCode === null ? null : `code ${child.exitCode}`),
    15_000,
  );

test("dev restarts the service and keeps the database when a source changes", async () => {
  const dev = startDev();
  const [, , url] = await seen(dev, /ready 1 (\d+) (\S+)/);
  mkdirSync(join(tree, "src", "domain"));
  writeFileSync(join(tree, "src", "domain", "new.ts"), "export const a = 1;\n");
  expect((await seen(dev, /ready 2 (\d+) (\S+)/))[2]).toBe(String(url));
  expect(dev.output()).toContain("drained 1");
});

test("dev drains the service, stops Postgres and ends with 0 when it gets SIGTERM", async () => {
  const dev = startDev();
  await seen(dev, /ready 1/);
  dev.child.kill("SIGTERM");
  expect(await ended(dev)).toBe("code 0");
  expect(dev.output()).toContain("drained 1");
  expect(existsSync(lockFile())).toBe(false);
});

test("dev ends at once when it gets a second signal", async () => {
  const dev = startDev();
  await seen(dev, /ready 1/);
  dev.child.kill("SIGINT");
  dev.child.kill("SIGTERM");
  expect(await ended(dev)).toBe("code 1");
  expect(dev.output()).not.toContain("drained");
});

test("dev waits for a change when the service ends by itself", async () => {
  writeFileSync(join(tree, "src", "main.ts"), "process.exit(7);\n");
  const dev = startDev();
  await seen(dev, /the service ended \(7\)/);
  writeFileSync(join(tree, "src", "main.ts"), service);
  await seen(dev, /ready 1/);
});

test("dev stops Postgres and ends with 78 when the first start finds its settings invalid", async () => {
  writeFileSync(join(tree, "src", "main.ts"), "process.exit(78);\n");
  const dev = startDev();
  expect(await ended(dev)).toBe("code 78");
  expect(dev.output()).not.toContain("change a file");
  expect(existsSync(lockFile())).toBe(false);
});

test("dev waits for a change when a later start finds its settings invalid", async () => {
  const dev = startDev();
  await seen(dev, /ready 1/);
  writeFileSync(join(tree, "src", "main.ts"), "process.exit(78);\n");
  await seen(dev, /the service ended \(78\); change a file/);
  writeFileSync(join(tree, "src", "main.ts"), service);
  await seen(dev, /ready 2/);
});

test("Postgres and the service are gone when dev is killed", async () => {
  const dev = startDev();
  const [, pid] = await seen(dev, /ready 1 (\d+)/);
  dev.child.kill("SIGKILL");
  await until("Postgres is gone", () => !existsSync(lockFile()));
  await until("the service is gone", () => !existsSync(`/proc/${pid}/exe`));
});

const onLinux = test.skipIf(process.platform !== "linux");

onLinux("dev adopts the server when its guard was killed with it", async () => {
  const first = startDev();
  const [, , url = ""] = await seen(first, /ready 1 (\d+) (\S+)/);
  process.kill(guardOf(tree), "SIGKILL");
  first.child.kill("SIGKILL");
  await ended(first);
  const second = startDev();
  expect((await seen(second, /ready 2 (\d+) (\S+)/))[2]).toBe(url);
  second.child.kill("SIGTERM");
  expect(await ended(second)).toBe("code 0");
  expect(existsSync(lockFile())).toBe(false);
});

test("server goes on when one of two that share it stops", async () => {
  const first = startDev();
  await seen(first, /ready 1/);
  const second = startDev();
  const [, , url = ""] = await seen(second, /ready 2 (\d+) (\S+)/);
  first.child.kill("SIGTERM");
  expect(await ended(first)).toBe("code 0");
  const sql = postgres(url, { max: 1 });
  expect([...(await sql`select count(*)::int from starts`)]).toEqual([{ count: 2 }]);
  await sql.end();
});

test("dev starts when a lock file names a process that is not its server", async () => {
  const dev = startDev();
  await seen(dev, /ready 1/);
  const lock = readFileSync(lockFile(), "utf8");
  dev.child.kill("SIGTERM");
  await ended(dev);
  writeFileSync(lockFile(), lock.replace(/^\d+/, String(process.pid)));
  await seen(startDev(), /ready 2/);
});

test("server is durable when that is asked for", async () => {
  const dev = startDev("--durable");
  const [, , url = ""] = await seen(dev, /ready 1 (\d+) (\S+)/);
  const sql = postgres(url, { max: 1 });
  const [row] = await sql`select current_setting('fsync') || current_setting('full_page_writes')`;
  await sql.end();
  expect({ ...row }).toEqual({ "?column?": "onon" });
  expect(dev.output()).not.toContain("NOT DURABLE");
});

test("dev says how it is used when it is given another argument", async () => {
  const dev = startDev("--durabel");
  expect(await ended(dev)).toBe("code 2");
  expect(dev.output()).toContain("usage: bun run dev [--durable]");
});

/** The process id of the guard: the shell that has the path of the cluster's pipe. */
function guardOf(directory: string): number {
  const pipe = join(realpathSync(join(directory, ".varve", "postgres")), "varve.hold");
  const commandLine = (pid: string): string => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, "utf8");
    } catch {
      // It has ended since the list was made.
      return "";
    }
  };
  const pids = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  const guard = pids.find((pid) => {
    const line = commandLine(pid);
    return line.startsWith("/bin/sh") && line.includes(pipe);
  });
  if (guard === undefined) throw new Error("there is no guard");
  return Number(guard);
}
