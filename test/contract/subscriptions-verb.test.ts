import { afterAll, afterEach, beforeAll, expect, test } from "bun:test";

import { createOperations } from "#query/operations.ts";
import { declareReactor } from "#store/subscriptions.ts";
import { aLetter, appendThings, holdView, makeView, takeTo } from "#test/support/held-views.ts";
import { endServices, runVerb } from "#test/support/service.ts";
import { closeStore, openStore, type TestStore } from "#test/support/store.ts";

let store: TestStore;
beforeAll(async () => {
  store = await openStore();
  await appendThings(store.pool, 10);
  await declareReactor(store.pool, {
    name: "mails",
    partitions: 2,
    eventTypes: undefined,
    aggregateTypes: undefined,
    startPosition: 3,
  });
  await makeView(store.pool, "things");
  const [lease] = await holdView(store.pool, "things");
  if (lease === undefined) throw new Error("nothing is held");
  await takeTo(store.pool, lease, { to: 8, documents: { a: { n: 1 } }, letters: [aLetter(1)] });
});
afterEach(endServices);
afterAll(() => closeStore(store));

const run = (...words: readonly string[]) =>
  runVerb(["subscriptions", ...words], { databaseUrl: store.database.url });

const shown = async () => {
  const { items } = await createOperations(store.pool).subscriptions();
  return items.map(({ name, paused, pauseReason, partitions }) => [
    name,
    paused,
    pauseReason,
    ...partitions.map(({ position }) => position),
  ]);
};

test("every partition is a line when subscriptions are listed", async () => {
  expect(await run("list")).toEqual({
    code: 0,
    stdout: `mails  1/2  reactor  3 of 10, 7 behind  not held
mails  2/2  reactor  3 of 10, 7 behind  not held
things  1/1  serving version 1  8 of 10, 2 behind  held  1 dead letter, 1 for a person\n`,
    stderr: "",
  });
  const { stdout } = await run("list", "--json");
  expect(JSON.parse(stdout)).toEqual(await createOperations(store.pool).subscriptions());
}, 30_000);

test("subscription is paused and resumed by name", async () => {
  expect((await run("pause", "mails", "--reason", " case 7 ", "--json")).stdout).toBe(
    `${JSON.stringify({ name: "mails", paused: true, pauseReason: "case 7" })}\n`,
  );
  expect((await shown())[0]).toEqual(["mails", true, "case 7", 3, 3]);
  expect((await run("list")).stdout).toContain("paused: case 7\n");
  expect((await run("resume", "mails")).stdout).toBe("resumed\n");
  expect((await shown())[0]).toEqual(["mails", false, null, 3, 3]);
}, 30_000);

test("subscription begins again only when whoever asks knows what is lost", async () => {
  const refused = await run("reset", "things", "--json");
  const { error } = JSON.parse(refused.stderr) as { error: { message: string } };
  expect([refused.code, error.message]).toEqual([
    2,
    "its readers find nothing until it has caught up; `projections rebuild` builds beside what serves: say --yes",
  ]);
  const mails = await run("reset", "mails", "--position", "5", "--json");
  expect(mails.stderr).toContain("it does again whatever comes after 5: say --yes");
  expect(await shown()).toEqual([
    ["mails", false, null, 3, 3],
    ["things", false, null, 8],
  ]);
  expect((await run("reset", "mails", "--position", "5", "--yes", "--json")).stdout).toBe(
    `${JSON.stringify({ name: "mails", position: 5, from: 3 })}\n`,
  );
  expect((await run("reset", "things", "--yes")).stdout).toBe(
    "things begins after 0; it had come to 8\n",
  );
  // There is nothing to lose any more.
  expect((await run("reset", "things")).code).toBe(0);
  expect(await shown()).toEqual([
    ["mails", false, null, 5, 5],
    ["things", false, null, 0],
  ]);
}, 30_000);

test("nothing is done when there is no such subscription or the call is not understood", async () => {
  const before = await shown();
  const codes: unknown[] = [];
  for (const words of [
    ["pause", "nothing"],
    ["resume", "nothing"],
    ["reset", "nothing", "--yes"],
    ["pause", "mails", "--reason", " "],
    ["pause"],
    ["reset", "things", "--position", "1", "--yes"],
    ["reset", "mails", "--position", "11", "--yes"],
    ["reset", "mails", "--position", "x", "--yes"],
    ["list", "mails"],
  ]) {
    codes.push((await run(...words)).code);
  }
  expect(codes).toEqual(codes.map(() => 2));
  expect(await shown()).toEqual(before);
}, 30_000);
