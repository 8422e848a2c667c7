/**
 * `bun test/torture.ts [--seconds 30] [--writers 32] [--processes 4] [--seed n] [--json]`: appends of
 * every kind by many writers over several processes, while the server ends sessions, instances
 * start anew and, half-way, the month ends. The code is 1 if an event was lost, double or misplaced.
 *
 * What it relies on. A durable embedded Postgres of its own, or the one in the folder PG_BIN; it is gone
 * afterwards.
 */
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";

import { sleep } from "#kernel/clock.ts";
import { startEmbeddedPostgres } from "#ops/embedded-postgres.ts";
import { migrate } from "#store/migrate.ts";

import { logFaults } from "./support/log-faults.ts";
import { closeNewestMonth } from "./support/months.ts";
import { openSql } from "./support/pools.ts";
import { torture, type TortureReport } from "./support/torture.ts";

const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "30" },
    writers: { type: "string", default: "32" },
    processes: { type: "string", default: "4" },
    seed: { type: "string", default: String(Date.now() % 1_000_000) },
    json: { type: "boolean", default: false },
    /** Of a process of the torture: the database that all share. */
    url: { type: "string" },
  },
});

const wholeNumber = (text: string): number => {
  if (/^[1-9]\d{0,6}$/.test(text)) return Number(text);
  throw new Error(`${text} is not a whole number`);
};
const [durationMs, writers, processes, seed] = [
  wholeNumber(values.seconds) * 1_000,
  wholeNumber(values.writers),
  wholeNumber(values.processes),
  wholeNumber(values.seed),
];

/** A group commit for every few writers, so that batches of one process race as well. */
const WRITERS_AN_INSTANCE = 4;

async function runChild(url: string): Promise<void> {
  const instances = Math.ceil(writers / WRITERS_AN_INSTANCE);
  const report = await torture({ url, writers, instances, durationMs, seed });
  process.stdout.write(JSON.stringify(report));
}

/** Starts a process of the torture and resolves with what it found. */
function startChild(url: string, index: number): Promise<TortureReport> {
  const share = Math.ceil(writers / processes);
  const args = ["--url", url, "--writers", share, "--seconds", durationMs / 1_000];
  const child = spawn(
    process.execPath,
    [import.meta.path, ...args.map(String), "--seed", String(seed + 1_000 * index)],
    { stdio: ["ignore", "pipe", "inherit"] },
  );
  const ended = Promise.withResolvers<TortureReport>();
  let output = "";
  child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
  child.on("error", ended.reject);
  child.on("close", (code) => {
    if (code === 0) ended.resolve(JSON.parse(output) as TortureReport);
    else ended.reject(new Error(`a process ended with ${code}`));
  });
  return ended.promise;
}

/** All processes' reports as one, with what is wrong with the log as a whole. */
async function tortureAll(url: string): Promise<TortureReport> {
  const sql = openSql(url);
  const children = Promise.all(
    Array.from({ length: processes }, (_, index) => startChild(url, index)),
  );
  await Promise.race([children, sleep(durationMs / 2)]);
  await closeNewestMonth(sql);
  const reports = await children;
  const faults = [...reports.flatMap((report) => report.faults), ...(await logFaults(sql))];
  const [row] = await sql<{ events: number }[]>`select count(*)::int as events from varve.events`;
  await sql.end({ timeout: 1 });
  const sum = (of: (report: TortureReport) => number): number =>
    reports.reduce((total, report) => total + of(report), 0);
  const events = sum((report) => report.events);
  if (row?.events !== events) faults.push(`${row?.events} events instead of ${events}`);
  const names = new Set(reports.flatMap((report) => Object.keys(report.outcomes)));
  const outcomes = Object.fromEntries(
    [...names].toSorted().map((name) => [name, sum((report) => report.outcomes[name] ?? 0)]),
  );
  return {
    appends: sum((report) => report.appends),
    events,
    outcomes,
    kills: sum((report) => report.kills),
    restarts: sum((report) => report.restarts),
    faults,
  };
}

async function runParent(): Promise<void> {
  const postgres = await startEmbeddedPostgres({
    directory: join(tmpdir(), `varve-torture-${randomBytes(6).toString("hex")}`),
    durable: true,
    temporary: true,
    bin: process.env["PG_BIN"],
  });
  try {
    await migrate({ url: postgres.url });
    const report = await tortureAll(postgres.url);
    const shape = { seed, seconds: durationMs / 1_000, writers, processes };
    console.log(values.json ? JSON.stringify({ ...shape, ...report }) : { ...shape, ...report });
    process.exitCode = report.faults.length === 0 ? 0 : 1;
  } finally {
    await postgres.stop();
  }
}

if (values.url === undefined) await runParent();
else await runChild(values.url);
