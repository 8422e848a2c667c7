import { afterAll, beforeAll, expect, test } from "bun:test";

import { listSubscriptions } from "#store/subscription-list.ts";
import { declareReactor } from "#store/subscriptions.ts";
import { appendThings, holdView, makeView, takeTo } from "#test/support/held-views.ts";
import { operatedApp } from "#test/support/operated.ts";
import { closeStore, openStore, type TestStore } from "#test/support/store.ts";

let store: TestStore;
let app: ReturnType<typeof operatedApp>;
beforeAll(async () => {
  store = await openStore();
  app = operatedApp(store.pool);
  await appendThings(store.pool, 10);
  const every = { eventTypes: undefined, aggregateTypes: undefined, startPosition: 0 };
  await declareReactor(store.pool, { name: "mails", partitions: 1, ...every });
});
afterAll(() => closeStore(store));

const item = async (name: string) => {
  const { items } = await listSubscriptions(store.pool, name);
  return items.find((one) => one.name === name);
};

const roles = async (view: string) =>
  (await listSubscriptions(store.pool, view)).items.map(({ name, role }) => [name, role]);

/** Moves every version of the view to the position. */
async function takeAll(view: string, to: number): Promise<void> {
  for (const lease of await holdView(store.pool, view)) {
    await takeTo(store.pool, lease, { to, documents: { [`of ${lease.subscription}`]: { to } } });
  }
}

const steps = ["pause", "resume", "reset", "rebuild", "swap", "rollback"];

test("every step and list needs the scope admin", async () => {
  const asked = [
    await app.ask("/admin/subscriptions", {}, "queries~orders"),
    await app.ask("/admin/dead-letters", {}, "pii~read"),
    await app.post("/admin/dead-letters/retry", {}, "commands~x"),
    await app.post("/admin/dead-letters/1/retry", {}, "log~read"),
    await app.post("/admin/dead-letters/1/discard", {}, "log~read"),
  ];
  for (const step of steps) {
    asked.push(await app.post(`/admin/subscriptions/mails/${step}`, {}, "admins"));
  }
  const refused = { status: 403, code: "forbidden", requiredScope: "admin" };
  expect(asked).toEqual(asked.map(() => refused));
  expect(app.lines).toEqual([]);
});

test("subscriptions are listed with the head of the log", async () => {
  const { status, head, items } = await app.ask("/admin/subscriptions");
  expect([status, head, (items as { name: string }[]).map(({ name }) => name)]).toEqual([
    200,
    10,
    ["mails"],
  ]);
  expect(await app.ask("/admin/subscriptions?name=mails")).toMatchObject({ status: 422 });
});

test("subscription is paused and resumed, also one whose name has a colon", async () => {
  await makeView(store.pool, "paused");
  await app.post("/admin/subscriptions/paused/rebuild");
  expect(
    await app.post("/admin/subscriptions/paused:building/pause", { reason: " case 7 " }),
  ).toEqual({ status: 200, name: "paused:building", paused: true, pauseReason: "case 7" });
  const paused = async () => {
    const { items } = await listSubscriptions(store.pool, "paused");
    return items.map((one) => [one.paused, one.pauseReason]);
  };
  const one = await paused();
  const both = await app.post("/admin/subscriptions/paused/pause");
  const resumed = await app.post("/admin/subscriptions/paused%3Abuilding/resume");
  expect([one, both, resumed, await paused()]).toEqual([
    [
      [false, null],
      [true, "case 7"],
    ],
    { status: 200, name: "paused", paused: true, pauseReason: null },
    { status: 200, name: "paused:building", paused: false },
    [
      [true, null],
      [false, null],
    ],
  ]);
});

test("view is rebuilt, swapped and rolled back step by step", async () => {
  await makeView(store.pool, "things");
  await takeAll("things", 10);
  const path = "/admin/subscriptions/things";
  expect(await app.post(`${path}/swap`)).toEqual({ status: 409, code: "nothing-to-swap" });
  expect(await app.post(`${path}/rollback`)).toEqual({ status: 409, code: "nothing-to-roll-back" });

  const building = { status: 202, view: "things", building: "things:building" };
  expect(await app.post(`${path}/rebuild`, { partitions: 3 })).toEqual(building);
  expect(await app.post(`${path}/rebuild`)).toEqual(building);
  expect((await item("things:building"))?.partitions.length).toBe(3);
  expect(await app.post(`${path}/swap`)).toEqual({ status: 409, code: "view-behind-serving" });
  expect(await roles("things")).toEqual([
    ["things", "serving"],
    ["things:building", "building"],
  ]);

  await takeAll("things", 10);
  expect(await app.post(`${path}/swap`)).toEqual({
    status: 200,
    view: "things",
    swapped: true,
    previous: "things:previous",
  });
  expect((await item("things"))?.partitions.length).toBe(3);
  await app.post(`${path}/rebuild`);
  expect(await app.post(`${path}/rollback`)).toEqual({ status: 409, code: "view-being-built" });
  await store.sql`select varve.drop_view_version('things', 'building')`;
  expect(await app.post(`${path}/rollback`)).toEqual({
    status: 200,
    view: "things",
    rolledBack: true,
    building: "things:building",
  });
  expect(await roles("things")).toEqual([
    ["things", "serving"],
    ["things:building", "building"],
  ]);
  expect((await item("things"))?.partitions.length).toBe(1);
}, 15_000);

test("swap is refused at once when what is built is far behind", async () => {
  await makeView(store.pool, "far");
  await app.post("/admin/subscriptions/far/rebuild");
  await store.sql`update varve.checkpoints set position = 5000 where subscription = 'far'`;
  const startedMs = performance.now();
  expect(await app.post("/admin/subscriptions/far/swap")).toMatchObject({ status: 409 });
  expect(performance.now() - startedMs).toBeLessThan(1_000);
});

test("reactor is reset to any position, a view to the start alone", async () => {
  await makeView(store.pool, "made");
  await takeAll("made", 10);
  const reset = (name: string, body: unknown) =>
    app.post(`/admin/subscriptions/${name}/reset`, body);
  const refused = (message: string) => ({
    status: 422,
    code: "validation-failed",
    errors: [
      {
        pointer: "/position",
        message,
      },
    ],
  });
  expect([
    await reset("mails", { position: 7 }),
    await reset("mails", { position: 11 }),
    await reset("made", { position: 7 }),
    await reset("made", {}),
    await reset("made", { position: 0 }),
  ]).toEqual([
    { status: 200, name: "mails", position: 7 },
    refused("must not be past the end of the log"),
    refused("must be 0: a view begins without documents"),
    refused("must be an integer from 0 to 9007199254740991"),
    { status: 200, name: "made", position: 0 },
  ]);
  expect((await item("mails"))?.partitions[0]?.position).toBe(7);
  expect(await store.sql`select key from varve_views.made`).toHaveLength(0);
});

test("step is 404 when nothing has the name, and 422 when it can be no name", async () => {
  const [statuses, wrong]: unknown[][] = [[], []];
  for (const step of steps) {
    const body = step === "reset" ? { position: 0 } : {};
    const of = (name: string) => app.post(`/admin/subscriptions/${name}/${step}`, body);
    statuses?.push((await of("nothing"))["code"], (await of("things:nothing"))["code"]);
    wrong?.push((await of("%00"))["code"], (await of("a%20b"))["code"]);
  }
  expect(statuses).toEqual(Array.from({ length: 12 }, () => "not-found"));
  expect(wrong).toEqual(Array.from({ length: 12 }, () => "validation-failed"));
  // A reactor and a version are no views.
  for (const name of ["mails", "things:building"]) {
    for (const step of ["rebuild", "swap", "rollback"]) {
      expect(await app.post(`/admin/subscriptions/${name}/${step}`)).toMatchObject({ status: 404 });
    }
  }
});

test("body is refused when it has what is not known or too long", async () => {
  const faults = async (step: string, body: unknown) => {
    const { errors } = await app.post(`/admin/subscriptions/mails/${step}`, body);
    return (errors as { pointer: string }[] | undefined)?.map(({ pointer }) => pointer);
  };
  expect([
    await faults("pause", { reason: "" }),
    await faults("pause", { reason: " ".repeat(9) }),
    await faults("pause", { reason: "x".repeat(501) }),
    await faults("pause", { why: "x" }),
    await faults("resume", { reason: "x" }),
    await faults("swap", { force: true }),
    await faults("rebuild", { partitions: 0 }),
    await faults("rebuild", { partitions: 257 }),
    await faults("reset", { position: -1 }),
    await faults("reset", { position: 1.5 }),
  ]).toEqual([
    ...Array.from({ length: 3 }, () => ["/reason"]),
    ["/why"],
    ["/reason"],
    ["/force"],
    ["/partitions"],
    ["/partitions"],
    ["/position"],
    ["/position"],
  ]);
  const form = { method: "POST", body: new URLSearchParams({ reason: "x" }) };
  expect(await app.ask("/admin/subscriptions/mails/pause", form)).toMatchObject({ status: 415 });
  const none = { method: "POST", headers: { "Content-Type": "text/plain" }, body: "" };
  expect(await app.ask("/admin/subscriptions/mails/pause", none)).toMatchObject({ status: 200 });
  expect((await item("mails"))?.paused).toBe(true);
});

test("step is logged with who took it, and without what was said", async () => {
  const before = app.lines.length;
  await app.post("/admin/subscriptions/mails/pause", { reason: "canary" });
  await app.post("/admin/subscriptions/nothing/pause", { reason: "canary" });
  expect(app.lines.slice(before)).toEqual([
    {
      requestId: "r-1",
      principalId: "key:admin",
      route: "/admin/subscriptions/:id/pause",
      operation: "pause",
      subscription: "mails",
    },
  ]);
});
