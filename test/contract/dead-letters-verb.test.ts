import { afterAll, afterEach, beforeAll, expect, test } from "bun:test";

import { createOperations } from "#query/operations.ts";
import type { Lease } from "#store/leases.ts";
import { advanceCheckpoint } from "#store/checkpoints.ts";
import { aLetter, appendThings, holdView, makeView, takeTo } from "#test/support/held-views.ts";
import { endServices, runVerb, spawnVerb } from "#test/support/service.ts";
import { closeStore, openStore, type TestStore } from "#test/support/store.ts";
import { until } from "#test/until.ts";

const behind = { errorCode: "behind-dead-letter", attempts: 0 };

/** In the order of their ids, 1 to 6. */
const letters = [
  aLetter(1, { key: "a", stream: "Thing-s" }),
  aLetter(2, { key: "a", stream: "Thing-s", ...behind }),
  aLetter(3, { key: "b\u001b[2J", stream: "Thing-t", errorCode: "upcast-failed" }),
  aLetter(4, { key: "c", stream: "Thing-u" }),
  aLetter(5, { key: "d", stream: "Thing-v", errorCode: "slow" }),
  aLetter(6, { key: "e", stream: "Thing-w", errorCode: "slow" }),
];

let store: TestStore;
let held: Lease;
beforeAll(async () => {
  store = await openStore();
  await appendThings(store.pool, 10);
  await makeView(store.pool, "things");
  const [lease] = await holdView(store.pool, "things");
  if (lease === undefined) throw new Error("nothing is held");
  held = await takeTo(store.pool, lease, { to: 10, letters });
});
afterEach(endServices);
afterAll(() => closeStore(store));

const options = () => ({ databaseUrl: store.database.url });

const run = (...words: readonly string[]) => runVerb(["dead-letters", ...words], options());

/** What the holder writes once it has tried them. */
async function settle(...ids: readonly (readonly [id: number, errorCode: string | null])[]) {
  const { subscription, partition, epoch, position } = held;
  const settled = ids.map(([id, errorCode]) => ({
    id,
    resolved: errorCode === null,
    errorCode,
    dueInMs: null,
  }));
  const step = { subscription, partition, epoch, fromPosition: position, toPosition: position };
  const done = await advanceCheckpoint(store.pool, { ...step, taken: [], letters: [], settled });
  expect(done).toBe(true);
}

test("letters are lines with what each waits for when they are listed", async () => {
  expect(await run("list")).toEqual({
    code: 0,
    stdout: `1  things  Happened at 1  a  project-threw, 5 attempts  waits for a person
2  things  Happened at 2  a  behind-dead-letter  behind 1
3  things  Happened at 3  b?[2J  upcast-failed, 5 attempts  waits for a person
4  things  Happened at 4  c  project-threw, 5 attempts  waits for a person
5  things  Happened at 5  d  slow, 5 attempts  waits for a person
6  things  Happened at 6  e  slow, 5 attempts  waits for a person\n`,
    stderr: "",
  });
  const cut = await run("list", "--code", "slow", "--limit", "1");
  expect(cut.stdout).toContain("more: --cursor 5\n");
  const rest = await run("list", "--code", "slow", "--cursor", "5", "--json");
  expect(JSON.parse(rest.stdout)).toEqual(
    await createOperations(store.pool).deadLetters({
      errorCode: "slow",
      state: "waiting",
      limit: 1,
      cursor: 5,
    }),
  );
  expect((await run("list", "--state", "discarded")).stdout).toBe("none\n");
}, 30_000);

test("one letter is retried or says what stands in front of it", async () => {
  const retried = await run("retry", "3", "--json");
  expect([retried.code, retried.stdout]).toEqual([0, '{"retried":1}\n']);
  const second = await run("retry", "2", "--json");
  expect([second.code, JSON.parse(second.stdout)]).toEqual([
    1,
    { id: 2, retried: 0, reason: "dead-letter-behind", headId: 1 },
  ]);
  expect((await run("retry", "2")).stdout).toBe("2 waits behind 1, and follows it by itself\n");
}, 30_000);

test("letter is discarded once, with its reason", async () => {
  const { code, stdout } = await run("discard", "4", "--reason", " case 7 ", "--json");
  expect([code, JSON.parse(stdout)]).toEqual([0, { id: 4, discarded: true, reason: "case 7" }]);
  expect(await run("discard", "4", "--reason", "again")).toEqual({
    code: 1,
    stdout: "4 does not wait any more\n",
    stderr: "",
  });
  expect((await run("retry", "4", "--json")).stdout).toContain("dead-letter-settled");
  expect((await run("list", "--state", "discarded")).stdout).toContain("discarded: case 7\n");
}, 30_000);

test("retry waits until each was tried, and says what is left", async () => {
  const waiting = spawnVerb(["dead-letters", "retry", "--code", "slow", "--wait"], options());
  await until("they are due", () => waiting.stderr().includes("2 are being tried, 2 wait in all"));
  await settle([5, null], [6, "slow"]);
  expect((await waiting.exited).code).toBe(1);
  expect(waiting.stdout()).toBe("2 to be tried again; 1 wait, 0 of them are being tried\n");

  const one = spawnVerb(["dead-letters", "retry", "6", "--wait", "--json"], options());
  await until("it is due", () => one.stderr().includes("1 are being tried"));
  await settle([6, null]);
  expect((await one.exited).code).toBe(0);
  expect(JSON.parse(one.stdout())).toEqual({ retried: 1, waiting: 0, due: 0, unheld: 0 });
}, 30_000);

test("retry gives up with 75 when nobody tries them, and is interrupted with 130", async () => {
  await store.sql`delete from varve.leases`;
  const left = await run("retry", "--key", "a", "--wait", "--patience", "6");
  expect(left.code).toBe(75);
  expect(left.stderr).toContain("no running service tries them, or they are paused\n");
  const cut = spawnVerb(["dead-letters", "retry", "--all", "--wait"], options());
  await until("it waits", () => cut.stderr().includes("are being tried"));
  cut.child.kill("SIGINT");
  expect((await cut.exited).code).toBe(130);
}, 30_000);

test("nothing is done when the call is not understood", async () => {
  const states = async () =>
    store.sql`select id, state, due_at from varve.dead_letters order by id`;
  const before = await states();
  const codes: unknown[] = [];
  for (const words of [
    ["retry"],
    ["retry", "1", "--all"],
    ["retry", "--key", "a", "--all"],
    ["retry", "x"],
    ["retry", "0"],
    ["retry", "99"],
    ["discard", "1"],
    ["discard", "1", "--reason", " "],
    ["discard", "99", "--reason", "nobody"],
    ["list", "--state", "open"],
    ["list", "--limit", "0"],
  ]) {
    codes.push((await run(...words)).code);
  }
  expect(codes).toEqual(codes.map(() => 2));
  expect(await states()).toEqual(before);
}, 30_000);
