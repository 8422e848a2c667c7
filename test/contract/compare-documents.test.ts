import { afterAll, beforeAll, expect, test } from "bun:test";

import { compareDocuments, type Compared, type ComparisonPage } from "#store/comparison.ts";
import { queries } from "#store/statements.ts";
import { rebuildView } from "#store/subscriptions.ts";
import { appendThings, holdView, makeView, takeTo } from "#test/support/held-views.ts";
import { closeStore, openStore, type TestStore } from "#test/support/store.ts";
import { traceOf } from "#test/support/trace.ts";

let store: TestStore;
beforeAll(async () => {
  store = await openStore();
  await appendThings(store.pool, 30);
});
afterAll(() => closeStore(store));

type Steps = readonly { to: number; documents: Readonly<Record<string, unknown>> }[];

/** A view of that name, and what is built beside it, each moved on by its steps. */
async function fill(name: string, serving: Steps, building: Steps): Promise<void> {
  await makeView(store.pool, name);
  await rebuildView(store.pool, name, null);
  for (const lease of await holdView(store.pool, name)) {
    let held = lease;
    for (const step of lease.subscription === name ? serving : building) {
      held = await takeTo(store.pool, held, step);
    }
  }
}

const compare = async (name: string, page: Partial<ComparisonPage> = {}): Promise<Compared> => {
  const asked = { left: name, right: `${name}:building`, afterKey: null, pageSize: 100 };
  const found = await compareDocuments(store.pool, { ...asked, shownMax: 10, ...page });
  if (found === undefined) throw new Error(`${name} keeps no documents`);
  return found;
};

const quote = `o'clock "\\ $1 %s %I é`;

test("documents are told apart by key and field when both stand at one position", async () => {
  const same = { a: { n: 1, list: [1, { x: 1 }] }, [quote]: { [quote]: "same" } };
  await fill(
    quote,
    [{ to: 20, documents: { ...same, b: { n: 1, m: 1, s: "x" }, only: { n: 1 }, z: { n: null } } }],
    [{ to: 20, documents: { ...same, b: { n: 1.0, m: 2 }, more: { n: 1 }, z: {} } }],
  );
  expect(await compare(quote)).toEqual({
    low: 20,
    high: 20,
    compared: 6,
    equal: 2,
    different: 2,
    onlyLeft: 1,
    onlyRight: 1,
    moving: 0,
    uncertainKeys: [],
    lastKey: null,
    shown: [
      {
        key: "b",
        what: "different",
        fields: ["m", "s"],
      },
      {
        key: "more",
        what: "onlyRight",
        fields: [],
      },
      {
        key: "only",
        what: "onlyLeft",
        fields: [],
      },
      {
        key: "z",
        what: "different",
        fields: ["n"],
      },
    ],
  });
});

test("pages have every document once when keys are missing on either side", async () => {
  const documents = (from: number, step: number) =>
    Object.fromEntries(
      Array.from({ length: 12 }, (_, n) => [`k${String(from + n * step).padStart(3, "0")}`, { n }]),
    );
  // Multiples of two below 24, and of three below 36: four are in both.
  await fill(
    "paged",
    [{ to: 20, documents: documents(0, 2) }],
    [{ to: 20, documents: documents(0, 3) }],
  );
  for (const pageSize of [1, 2, 5, 12, 13]) {
    const keys: string[] = [];
    let [compared, afterKey]: [number, string | null] = [0, null];
    do {
      const page = await compare("paged", { pageSize, afterKey, shownMax: 100 });
      compared += page.compared;
      keys.push(...page.shown.map(({ key }) => key));
      afterKey = page.lastKey;
    } while (afterKey !== null);
    expect([compared, keys.length, new Set(keys).size]).toEqual([20, 19, 19]);
    expect(keys).toEqual(keys.toSorted());
  }
});

test("document is moving when it was made by an event that not both have passed", async () => {
  await fill(
    "moved",
    [
      { to: 10, documents: { old: { n: 1 }, new: { n: 1 }, gone: { n: 1 }, wrong: { n: 1 } } },
      { to: 20, documents: { new: { n: 2 }, made: { n: 2 }, gone: null } },
    ],
    [{ to: 15, documents: { old: { n: 1 } } }],
  );
  const removed = { old: { n: 1 }, new: { n: 1 }, gone: { n: 1 }, wrong: { n: 9 } };
  await store.sql`insert into varve_views.moved_v1_2 (key, document, first_position, position)
    select key, value, 1, 10 from jsonb_each(${store.sql.json(removed)})
    on conflict (key) do update set position = 10`;
  const page = await compare("moved");
  expect(page).toEqual({
    low: 15,
    high: 20,
    compared: 5,
    equal: 1,
    different: 1,
    onlyLeft: 0,
    onlyRight: 0,
    moving: 2,
    uncertainKeys: ["gone"],
    lastKey: null,
    shown: [
      {
        key: "wrong",
        what: "different",
        fields: ["n"],
      },
    ],
  });
  // Both have passed 20 and it is missing all the same, or it has been made again since.
  const again = (agreedPosition: number) =>
    compare("moved", { keys: ["gone"], agreedPosition, shownMax: 1 });
  expect([(await again(20)).onlyRight, (await again(9)).uncertainKeys]).toEqual([1, ["gone"]]);
});

test("nothing is compared when one of the two keeps no documents", async () => {
  await makeView(store.pool, "alone");
  const page = { left: "alone", right: "alone:building", afterKey: null, pageSize: 9, shownMax: 9 };
  expect(await compareDocuments(store.pool, page)).toBeUndefined();
});

test("page is read by the keys when the tables are large", async () => {
  await fill("large", [{ to: 20, documents: {} }], [{ to: 20, documents: {} }]);
  for (const table of ["large_v1", "large_v1_2"]) {
    await store.sql`insert into ${store.sql(`varve_views.${table}`)}
      select 'k' || lpad(n::text, 6, '0'), jsonb_build_object('n', n), 1, 20
        from generate_series(1, 20000) n`;
    await store.sql`analyze ${store.sql(`varve_views.${table}`)}`;
  }
  for (const keys of [null, '["k000005"]']) {
    const parameters = ["large", "large:building", "k010000", 500, keys, null, 10];
    const { text } = queries.compareDocuments;
    const { whole, indexes } = await traceOf(store.sql, "large_v1%", { text, parameters });
    expect({ whole, indexes }).toEqual({
      whole: [],
      indexes: ["large_v1_2_pkey", "large_v1_pkey"],
    });
  }
});
