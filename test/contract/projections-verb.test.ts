import { afterAll, afterEach, beforeAll, expect, test } from "bun:test";

import { listSubscriptions } from "#store/subscription-list.ts";
import { pauseSubscription, rebuildView } from "#store/subscriptions.ts";
import { appendThings, holdView, makeView, takeTo } from "#test/support/held-views.ts";
import { endServices, runVerb, spawnVerb } from "#test/support/service.ts";
import { closeStore, openStore, type TestStore } from "#test/support/store.ts";
import { until } from "#test/until.ts";

let store: TestStore;
beforeAll(async () => {
  store = await openStore();
  await appendThings(store.pool, 30);
});
afterEach(endServices);
afterAll(() => closeStore(store));

const options = () => ({ databaseUrl: store.database.url });

const run = (...words: readonly string[]) => runVerb(["projections", ...words], options());

const start = (...words: readonly string[]) => spawnVerb(["projections", ...words], options());

type Fields = Readonly<Record<string, unknown>>;

const linesOf = (text: string): readonly Fields[] =>
  text
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Fields);

const roles = async (view: string) =>
  (await listSubscriptions(store.pool, view)).items.map(({ name }) => name);

/** Moves the versions of that name to the position, with the documents. */
async function take(name: string, to: number, documents: Fields = {}): Promise<void> {
  for (const lease of await holdView(store.pool, name.split(":")[0] ?? "")) {
    if (lease.subscription === name) await takeTo(store.pool, lease, { to, documents });
  }
}

test("view is built, compared, swapped, rolled back and dropped step by step", async () => {
  await makeView(store.pool, "things");
  await take("things", 30, { a: { n: 1 }, b: { n: 1 } });
  const begun = await run("rebuild", "things", "--partitions", "2", "--detach");
  expect(begun).toEqual({
    code: 0,
    stdout: "things:building is being built: the same call without --detach follows it\n",
    stderr: "things:building is begun, in 2 partitions\n",
  });
  await take("things:building", 30, { a: { n: 1 }, b: { n: 2 } });
  const followed = await run("rebuild", "things", "--json");
  expect([followed.code, linesOf(followed.stdout)]).toEqual([
    0,
    [
      {
        view: "things",
        building: "things:building",
        position: 30,
        head: 30,
        lagEvents: 0,
        eventsPerSecond: null,
        secondsLeft: 0,
        leased: true,
        paused: false,
        caughtUp: true,
      },
    ],
  ]);
  expect(await run("diff", "things")).toEqual({
    code: 1,
    stdout: `b  different  n
2 compared: 1 equal, 1 different, 0 only in things, 0 only in things:building, 0 moving\n`,
    stderr: "",
  });
  expect(await run("swap", "things")).toEqual({
    code: 0,
    stdout: "things serves what was built; things:previous is what served\n",
    stderr: "",
  });
  const after = await run("diff", "things", "--json");
  expect([after.code, linesOf(after.stdout)]).toEqual([
    1,
    [
      {
        view: "things",
        against: "things:previous",
        compared: 2,
        equal: 1,
        different: 1,
        moving: 0,
        onlyServing: 0,
        onlyPrevious: 0,
        interrupted: false,
        keys: [{ key: "b", what: "different", fields: ["n"] }],
      },
    ],
  ]);
  expect((await run("rollback", "things")).code).toBe(0);
  expect(await roles("things")).toEqual(["things", "things:building"]);
  expect(linesOf((await run("drop", "things", "--building", "--json")).stdout)).toEqual([
    { view: "things", done: true },
  ]);
  expect(await roles("things")).toEqual(["things"]);
}, 30_000);

test("step is refused with its reason when there is nothing to take it with", async () => {
  await makeView(store.pool, "alone");
  const ends: unknown[] = [];
  for (const word of ["diff", "swap", "rollback", "drop"]) {
    const { code, stdout } = await run(word, "alone", "--json");
    ends.push([word, code, linesOf(stdout)[0]?.["reason"]]);
  }
  expect(ends).toEqual([
    ["diff", 1, "nothing-to-compare"],
    ["swap", 1, "nothing-to-swap"],
    ["rollback", 1, "nothing-to-roll-back"],
    ["drop", 1, "nothing-to-drop"],
  ]);
  const text = await run("rollback", "alone");
  expect([text.code, text.stdout, text.stderr]).toEqual([
    1,
    "",
    "there is no version of alone before the one that serves\n",
  ]);
}, 30_000);

test("nothing is done when there is no such view or the call is not understood", async () => {
  const codes: unknown[] = [];
  for (const words of [
    ["rebuild", "nothing"],
    ["diff", "nothing"],
    ["swap", "nothing"],
    ["rollback", "things:building"],
    ["drop", "nothing"],
    ["rebuild", "alone", "--partitions", "257"],
    ["rebuild", "alone", "--patience", "0"],
    ["diff", "alone", "--limit", "x"],
  ]) {
    codes.push((await run(...words)).code);
  }
  expect(codes).toEqual([2, 2, 2, 2, 2, 2, 2, 2]);
  const { stderr } = await run("swap", "nothing", "--json");
  const message = "there is no view nothing: `subscriptions list` names them";
  expect(JSON.parse(stderr)).toEqual({ error: { code: "usage", message, exitCode: 2 } });
  expect(await roles("alone")).toEqual(["alone"]);
}, 30_000);

test("rebuild follows what is built until it has caught up", async () => {
  await makeView(store.pool, "followed");
  const verb = start("rebuild", "followed", "--json");
  const lines = () => (verb.stdout() === "" ? [] : linesOf(verb.stdout()));
  await until("it is begun", () => lines().length > 0);
  await take("followed:building", 20);
  await until("it has moved", () => lines().at(-1)?.["position"] === 20);
  await take("followed:building", 30);
  expect((await verb.exited).code).toBe(0);
  const [first, ...rest] = lines();
  expect([first?.["position"], first?.["leased"], first?.["eventsPerSecond"]]).toEqual([
    0,
    false,
    null,
  ]);
  const moved = rest.find(({ position }) => position === 20);
  expect(moved?.["eventsPerSecond"]).toBeGreaterThan(1);
  expect(moved?.["secondsLeft"]).toBeGreaterThan(0);
  expect(rest.at(-1)).toMatchObject({ position: 30, leased: true, caughtUp: true });
}, 30_000);

test("rebuild is interrupted and goes on where it is when it is called again", async () => {
  await makeView(store.pool, "broken-off");
  const verb = start("rebuild", "broken-off");
  await until("it has said how far it is", () => verb.stderr().includes("0 of 30 events"));
  verb.child.kill("SIGINT");
  expect((await verb.exited).code).toBe(130);
  expect(verb.stderr()).toContain("the same call follows it again");
  await take("broken-off:building", 30);
  const again = await run("rebuild", "broken-off");
  expect([again.code, again.stderr]).toEqual([
    0,
    "broken-off:building was being built already, and goes on, in 1 partition\n100 %, 30 of 30 events, 0 s left\n",
  ]);
}, 30_000);

test("rebuild gives up with 75 and says why when nobody builds for as long as it waits", async () => {
  for (const view of ["left", "paused"]) {
    await makeView(store.pool, view);
    await rebuildView(store.pool, view, null);
  }
  await pauseSubscription(store.pool, "paused:building", "case 7");
  const [left, paused] = await Promise.all(
    ["left", "paused"].map((view) => run("rebuild", view, "--patience", "6")),
  );
  expect([left?.code, left?.stdout, paused?.code]).toEqual([75, "", 75]);
  expect(left?.stderr).toContain("no running service builds left:building\n");
  expect(left?.stderr).toContain("no progress for 6 s");
  expect(paused?.stderr).toContain("paused:building is paused: case 7\n");
}, 30_000);

test("rebuild ends with 78 and the way out when the documents cannot be divided", async () => {
  await makeView(store.pool, "spanning");
  await rebuildView(store.pool, "spanning", 2);
  await holdView(store.pool, "spanning");
  await store.sql`
    update varve.leases set reported_at = now(), report = jsonb_build_object(
        'epoch', epoch, 'state', 'error', 'halted', false, 'inFlight', 0, 'eventsFailed', 0,
        'lastError', 'configuration-invalid', 'eventsPerSecond', 0, 'errorsLastMinute', 1)
      where subscription = 'spanning:building'`;
  const { code, stderr } = await run("rebuild", "spanning");
  expect(code).toBe(78);
  expect(stderr).toContain("`projections rebuild spanning --partitions 1` begins it again\n");
});

test("rebuild says what became of it when it is swapped or dropped meanwhile", async () => {
  await makeView(store.pool, "gone");
  await makeView(store.pool, "serving");
  const [dropped, swapped] = [start("rebuild", "gone"), start("rebuild", "serving")];
  await until("both have begun", () =>
    [dropped, swapped].every(({ stderr }) => stderr().includes("events")),
  );
  await store.sql`select varve.drop_view_version('gone', 'building')`;
  // Whatever is built next is another one.
  await rebuildView(store.pool, "gone", null);
  await store.sql`select varve.swap_view('serving')`;
  expect([(await dropped.exited).code, (await swapped.exited).code]).toEqual([1, 0]);
  expect(dropped.stderr()).toContain("it was dropped");
  expect(swapped.stdout()).toBe("serving serves it already\n");
}, 30_000);

test("swap tries until what is built has caught up, or its patience is over", async () => {
  await makeView(store.pool, "late");
  await take("late", 30);
  await rebuildView(store.pool, "late", null);
  const early = await run("swap", "late", "--patience", "1", "--json");
  expect([early.code, linesOf(early.stdout)]).toEqual([
    75,
    [{ view: "late", done: false, reason: "view-behind-serving" }],
  ]);
  expect((await run("diff", "late")).code).toBe(75);
  const waiting = start("swap", "late");
  await until("it has tried", () => waiting.stderr().includes("30 events behind"));
  await take("late:building", 30);
  expect((await waiting.exited).code).toBe(0);
  expect(await roles("late")).toEqual(["late", "late:previous"]);
}, 60_000);

test("diff looks again at what an event may have removed that one of the two has not come to", async () => {
  await makeView(store.pool, "removing");
  await rebuildView(store.pool, "removing", null);
  await take("removing:building", 10, { kept: { n: 1 }, gone: { n: 1 }, lost: { n: 1 } });
  await take("removing", 10, { kept: { n: 1 }, gone: { n: 1 } });
  await take("removing", 20, { gone: null });
  await store.sql`select varve.rename_subscription('removing:building', 'removing:previous')`;
  // The other one stands still: they may be on their way, and are no difference.
  const still = linesOf((await run("diff", "removing", "--json")).stdout)[0];
  expect(still).toMatchObject({ compared: 3, equal: 1, moving: 2, onlyPrevious: 0 });
  const verb = start("diff", "removing", "--json");
  const looked = async () => {
    const [row] = await store.sql<{ looks: number }[]>`
      select count(*)::int as looks from pg_stat_activity
       where datname = current_database() and application_name = 'varve projections'
         and query like '%compare_documents%'`;
    return (row?.looks ?? 0) > 0;
  };
  await until("it has looked", looked);
  await store.sql`delete from varve_views.removing_v1_2 where key = 'gone'`;
  await store.sql`update varve.checkpoints set position = 20
                   where subscription = 'removing:previous'`;
  expect((await verb.exited).code).toBe(1);
  expect(linesOf(verb.stdout())[0]).toMatchObject({
    compared: 2,
    equal: 1,
    moving: 0,
    onlyPrevious: 1,
    keys: [{ key: "lost", what: "onlyPrevious", fields: [] }],
  });
}, 60_000);
