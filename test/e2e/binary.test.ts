import { spawn } from "node:child_process";
import { chmodSync, copyFileSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterAll, afterEach, beforeAll, expect, test } from "bun:test";

import { sleep } from "#kernel/clock.ts";
import { freshDatabase, type TestDatabase } from "#test/database.ts";
import { createOrder, shownOrder } from "#test/support/caller.ts";
import { aggregates } from "#domain/registry.ts";
import { viewFingerprints } from "#ops/fingerprints.ts";
import { caughtUp, logFaults, viewFaults, withSql } from "#test/support/invariants.ts";
import {
  createKey,
  endServices,
  type ProcessOptions,
  runVerb,
  scratchFolder,
  startService,
} from "#test/support/service.ts";

let folder = "";
let database: TestDatabase;
let empty: TestDatabase;

/** Runs the build as `bun run build` does; the working folder is the tree. */
function build(outfile: string): Promise<number | null> {
  const { promise, resolve } = Promise.withResolvers<number | null>();
  const args = ["src/ops/build.ts", "--outfile", outfile];
  spawn(process.execPath, args, { stdio: "ignore" }).on("close", resolve);
  return promise;
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "varve-binary-"));
  chmodSync(folder, 0o755);
  expect(await build(join(folder, "varve"))).toBe(0);
  database = await freshDatabase();
  empty = await freshDatabase("empty");
}, 60_000);
afterEach(endServices);
afterAll(async () => {
  await database.drop();
  await empty.drop();
  rmSync(folder, { recursive: true });
});

/** The binary alone in a folder of its own, which is also where it runs. */
function alone(databaseUrl: string): ProcessOptions & { readonly directory: string } {
  const directory = scratchFolder();
  chmodSync(directory, 0o755);
  const program = join(directory, "varve");
  copyFileSync(join(folder, "varve"), program);
  chmodSync(program, 0o755);
  const account = process.getuid?.() === 0 ? { account: { uid: 65_534, gid: 65_534 } } : {};
  return { databaseUrl, directory, command: [program], ...account };
}

test("build leaves the binary and nothing else", () => {
  expect(readdirSync(folder)).toEqual(["varve"]);
});

test("binary keeps each view under the fingerprint of its source when it starts", async () => {
  const service = await startService(alone(database.url));
  await service.stop();
  const kept = await withSql(
    database.url,
    (sql) => sql<{ name: string; fingerprint: string }[]>`
      select name || '@' || version as name, fingerprint from varve.views order by name`,
  );
  const source = await viewFingerprints(aggregates);
  expect(new Map(kept.map(({ name, fingerprint }) => [name, fingerprint]))).toEqual(
    new Map([...source].toSorted(([left], [right]) => (left < right ? -1 : 1))),
  );
});

test("binary migrates, serves, projects and drains when it lies alone in a folder", async () => {
  const options = alone(empty.url);
  const refused = await runVerb(["serve"], options);
  expect([refused.code, refused.stderr]).toEqual([1, expect.stringMatching(/schema-behind/)]);
  expect(await runVerb(["migrate", "status"], options)).toMatchObject({ code: 1 });
  expect(await runVerb(["migrate"], options)).toMatchObject({ code: 0, stderr: "" });
  const status = await runVerb(["migrate", "status", "--json"], options);
  expect(status.code).toBe(0);
  const files = JSON.parse(status.stdout) as readonly { readonly state: string }[];
  expect(new Set(files.map(({ state }) => state))).toEqual(new Set(["applied"]));

  const key = await createKey(options);
  const service = await startService(options);
  const target = { url: service.url, key };
  const answers = [await createOrder(target, "o-1", "Ada"), await createOrder(target, "o-2")];
  expect(await shownOrder(target, "o-1")).toMatchObject({
    orderId: "o-1",
    status: "created",
    contact: { name: "Name Ada", email: "Ada@example.org" },
    total: { amount: 1530, currency: "GBP" },
  });
  await caughtUp(empty.url);
  expect(await logFaults(empty.url, answers)).toEqual([]);
  expect(await viewFaults(empty.url)).toEqual([]);
  expect(await service.stop()).toEqual({ code: 0, signal: null });
  expect(service.log().map(({ message }) => message)).not.toContain("the worker has crashed");
  // In production nothing is written beside the program.
  expect(readdirSync(options.directory)).toEqual(["varve"]);
}, 30_000);

test("binary names every fault and ends with 78 when its configuration is wrong", async () => {
  const environment = { PORT: "http", LOG_LEVEL: "loud", PII_INDEX_KEY: "short", DATABASE_URL: "" };
  const { code, stdout, stderr } = await runVerb(["serve"], {
    ...alone(database.url),
    environment,
  });
  expect([code, stdout]).toEqual([78, ""]);
  const named = ["PORT", "LOG_LEVEL", "DATABASE_URL", "PII_INDEX_KEY"];
  expect(named.filter((name) => !stderr.includes(`  ${name} `))).toEqual([]);
  expect(stderr).not.toContain("loud");
});

test("binary ends with 78 when it is given the bytes of another master key", async () => {
  const options = alone(database.url);
  const first = await startService(options);
  await first.stop();
  const other = new Uint8Array(32).fill(9).toBase64();
  const { code, stderr } = await runVerb(["serve"], {
    ...options,
    environment: { PII_MASTER_KEYS: `test:${other}` },
  });
  expect([code, stderr]).toEqual([78, expect.stringMatching(/configuration-invalid/)]);
});

test("binary ends with 69 when there is no database", async () => {
  const { code } = await runVerb(["serve"], alone("postgres://x:y@127.0.0.1:1/none"));
  expect(code).toBe(69);
});

test("binary ends with a message when its port is taken", async () => {
  const options = alone(database.url);
  const first = await startService(options);
  const port = new URL(first.url).port;
  const { code, stderr } = await runVerb(["serve"], { ...options, environment: { PORT: port } });
  expect([code, stderr]).toEqual([78, expect.stringMatching(/port/i)]);
});

test("binary explains itself when nothing is configured", async () => {
  const options = { ...alone(database.url), environment: { DATABASE_URL: "" } };
  const help = await runVerb(["--help"], options);
  expect([help.code, help.stderr]).toEqual([0, ""]);
  expect(
    ["serve", "migrate", "config", "keys"].filter((verb) => !help.stdout.includes(verb)),
  ).toEqual([]);
  const config = await runVerb(["config"], alone(database.url));
  expect(config.code).toBe(0);
  expect(config.stdout).toContain("DB_POOL_PROFILE");
  expect(config.stdout).not.toContain(new URL(database.url).password);
});

/** Resident memory in MiB. Source: proc(5), VmRSS. */
const residentMib = (pid: number): number =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) / 1_024;

const median = (numbers: readonly number[]): number =>
  numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? 0;

test.skipIf(process.platform !== "linux")(
  "binary starts fast and is small when it idles",
  async () => {
    const options = alone(database.url);
    const readyMs: number[] = [];
    for (let start = 0; start < 10; start += 1) {
      const service = await startService(options);
      readyMs.push(service.readyMs);
      await service.stop();
    }
    const idle = await startService(options);
    // What is measured is an idle process; memory of the start is given back meanwhile.
    await sleep(5_000);
    const rssMib = residentMib(idle.pid);
    console.log(
      `start to ready: median ${Math.round(median(readyMs))} ms of`,
      readyMs.map(Math.round).join(" "),
      `· idle after 5 s: ${Math.round(rssMib)} MiB`,
    );
    // Three times what a start takes on two shared cores, and the aim for memory with some room.
    expect(median(readyMs)).toBeLessThan(1_000);
    expect(rssMib).toBeLessThan(160);
  },
  40_000,
);
