import { readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { afterAll, afterEach, beforeAll, expect, test } from "bun:test";

import { sleep } from "#kernel/clock.ts";
import { freshDatabase, type TestDatabase } from "#test/database.ts";
import { command, createOrder, orderBody, shownOrder } from "#test/support/caller.ts";
import { createKey, endServices, startService } from "#test/support/service.ts";

import { copyTree } from "./tree-copy.ts";

let tree = "";
let database: TestDatabase;

/** A view whose author has made an endless loop of one event. */
beforeAll(async () => {
  tree = copyTree();
  symlinkSync(join(process.cwd(), "node_modules"), join(tree, "node_modules"));
  const view = join(tree, "src/domain/orders/sales-view.ts");
  const text = readFileSync(view, "utf8");
  const endless = text.replace(
    /const dayOf = .*;/,
    (line) => `${line}\nconst stuck = (code: string): void => { while (code === "XXX"); };`,
  );
  const called = endless.replace(
    "switch (event.type) {",
    "stuck(currency);\n  switch (event.type) {",
  );
  expect([endless !== text, called !== endless]).toEqual([true, true]);
  writeFileSync(view, called);
  database = await freshDatabase();
});
afterEach(endServices);
afterAll(async () => {
  await database.drop();
  rmSync(tree, { recursive: true });
});

test("worker is ended and started again when it is stuck, while commands are answered", async () => {
  const options = {
    databaseUrl: database.url,
    command: [process.execPath, join(tree, "src/main.ts")],
  };
  const key = await createKey(options);
  const service = await startService(options);
  const target = { url: service.url, key };
  await createOrder(target, "before");
  await shownOrder(target, "before");
  const stuck = await command(target, "stuck/create", { ...orderBody("c-1"), currency: "XXX" });
  expect(stuck.status).toBe(201);

  const messages = (): readonly unknown[] => service.log().map(({ message }) => message);
  const startedMs = performance.now();
  const slow: number[] = [];
  let unhealthy = 0;
  for (let order = 0; !messages().includes("the worker has crashed"); order += 1) {
    expect(performance.now() - startedMs).toBeLessThan(20_000);
    const sentMs = performance.now();
    await createOrder(target, `meanwhile-${order}`);
    const { status } = await fetch(`${service.url}/health`);
    if (status === 503) unhealthy += 1;
    slow.push(performance.now() - sentMs);
    await sleep(100);
  }
  expect(messages()).toContain("the worker does not beat");
  expect(Math.max(...slow)).toBeLessThan(1_500);
  // Health has seen it before the watchdog did.
  expect(unhealthy).toBeGreaterThan(10);
  const live = await fetch(`${service.url}/health/live`);
  expect(await live.json()).toMatchObject({ alive: true, details: { workerCrashes: 1 } });
}, 40_000);
