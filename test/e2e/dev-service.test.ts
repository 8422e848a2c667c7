import {
  appendFileSync,
  existsSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
} from "node:fs";
import { join } from "node:path";

import { afterEach, beforeEach, expect, test } from "bun:test";

import { createOrder, shownOrder, type Target } from "#test/support/caller.ts";
import { until } from "#test/until.ts";

import { copyTree, run, type Running } from "./tree-copy.ts";

let tree = "";
const started: Running[] = [];

beforeEach(() => {
  tree = copyTree();
  symlinkSync(join(process.cwd(), "node_modules"), join(tree, "node_modules"));
});
afterEach(async () => {
  for (const { child } of started.splice(0)) child.kill("SIGKILL");
  await until("Postgres is gone", () => !existsSync(lockFile()), 10_000);
  const cluster = join(tree, ".varve", "postgres");
  if (existsSync(cluster)) rmSync(realpathSync(cluster), { recursive: true });
  rmSync(tree, { recursive: true });
});

const lockFile = (): string => join(tree, ".varve", "postgres", "postmaster.pid");

/** `bun run dev` of the copy, ready. */
async function startDev(): Promise<{ readonly dev: Running; readonly target: Target }> {
  const dev = run(tree, [process.execPath, "src/ops/dev.ts"], { PORT: "0" });
  started.push(dev);
  const target = await ready(dev, 0);
  return { dev, target };
}

/** The service that greets as the one after `before` others. */
async function ready(dev: Running, before: number): Promise<Target> {
  const greeting = /varve is ready on http:\/\/localhost:(\d+)/g;
  const port = await until(
    `the service is ready:\n${dev.output()}`,
    () => [...dev.output().matchAll(greeting)][before]?.[1],
    15_000,
  );
  const key = readFileSync(join(tree, ".varve", "dev-key"), "utf8").trim();
  return { url: `http://localhost:${port}`, key };
}

test("dev keeps orders, keys and the views when a source changes, and when it is run again", async () => {
  const first = await startDev();
  await createOrder(first.target, "before", "Ada");
  await shownOrder(first.target, "before");
  appendFileSync(join(tree, "src/domain/registry.ts"), "// changed\n");
  const changed = await ready(first.dev, 1);
  expect(changed.key).toBe(first.target.key);
  // Opened, not only found: the development keys are the same.
  const contact = { name: "Name Ada", email: "Ada@example.org" };
  expect(await shownOrder(changed, "before")).toMatchObject({ contact });
  await createOrder(changed, "after");

  first.dev.child.kill("SIGINT");
  expect(await first.dev.ended()).toBe(0);
  expect(existsSync(lockFile())).toBe(false);
  expect(first.dev.output()).not.toMatch(/"level":"(error|fatal)"/);

  const { target } = await startDev();
  expect(await shownOrder(target, "before")).toMatchObject({ contact });
  await shownOrder(target, "after");
}, 40_000);

test("neither Postgres nor the service is left when dev is killed", async () => {
  const { dev, target } = await startDev();
  await createOrder(target, "before");
  dev.child.kill("SIGKILL");
  await until("Postgres is gone", () => !existsSync(lockFile()), 10_000);
  const answers = async (): Promise<boolean> =>
    fetch(`${target.url}/health/live`).then(
      () => true,
      () => false,
    );
  await until("the service is gone", async () => !(await answers()), 10_000);
}, 40_000);

test("the service goes on by itself when its development Postgres is killed", async () => {
  const { dev, target } = await startDev();
  await createOrder(target, "before");
  await shownOrder(target, "before");
  process.kill(Number(readFileSync(lockFile(), "utf8").split("\n")[0]), "SIGKILL");
  await until("dev has noticed", () => dev.output().includes("Postgres is gone"), 10_000);
  const isReady = async (): Promise<boolean> => {
    const { ok } = await fetch(`${target.url}/health/ready`);
    return ok;
  };
  await until("the service is ready again", isReady, 15_000);
  await createOrder(target, "after");
  await shownOrder(target, "after");
}, 40_000);

test("dev names the fault, stops Postgres and ends with 78 when a setting is invalid or the port is taken", async () => {
  const taken = Bun.serve({ port: 0, hostname: "::", fetch: () => new Response() });
  const faults: readonly (readonly [NodeJS.ProcessEnv, string])[] = [
    [{ PORT: "0", SNAPSHOT_THRESHOLD: "abc" }, "SNAPSHOT_THRESHOLD"],
    [{ PORT: String(taken.port) }, `the port ${taken.port}`],
  ];
  for (const [environment, fault] of faults) {
    const dev = run(tree, [process.execPath, "src/ops/dev.ts"], environment);
    started.push(dev);
    expect(await dev.ended(20_000)).toBe(78);
    expect(dev.output()).toContain(fault);
    expect(existsSync(lockFile())).toBe(false);
  }
  await taken.stop(true);
}, 40_000);
