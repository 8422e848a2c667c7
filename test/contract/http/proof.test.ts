import { afterAll, beforeAll, expect, test } from "bun:test";

import { createApp } from "#http/app.ts";
import { createProofReader } from "#query/proof.ts";
import { appendAll, appendTo } from "#test/support/appends.ts";
import { bareDependencies } from "#test/support/bare-app.ts";
import { audit, declare, moveByHand, pass } from "#test/support/proofs.ts";
import { closeStore, openStore, type TestStore } from "#test/support/store.ts";

let store: TestStore;
let app: ReturnType<typeof createApp>;

beforeAll(async () => {
  store = await openStore();
  app = createApp(
    bareDependencies({
      proofs: createProofReader(store.pool),
      // The bearer token is the scope, with a dot for the colon.
      authenticate: (scope) =>
        Promise.resolve({ id: "key:test", scopes: [scope.replace(".", ":")] }),
    }),
  );
  await appendAll(store.pool, appendTo("a", 0, 6));
});
afterAll(async () => {
  await closeStore(store);
});

async function proofOf(name: string, query = "", scope = "admin") {
  const answer = await app.request(`/admin/subscriptions/${name}/proof${query}`, {
    headers: { Authorization: `Bearer ${scope}` },
  });
  return {
    status: answer.status,
    body: (await answer.json()) as Readonly<Record<string, unknown>>,
  };
}

const time = expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:]{8}\.\d{6}Z$/) as string;
const hash = expect.stringMatching(/^[0-9a-f]{16}$/) as string;

test("proof of a subscription claims nothing before it was audited, then what was compared", async () => {
  await declare(store.pool, { name: "orders:building" });
  await pass(store, { name: "orders:building" }, { from: 0, to: 4, failed: [2] });
  const nothing = { count: 0, hash: "0".repeat(16) };
  const partition = {
    partition: 0,
    position: 4,
    from: 0,
    taken: { count: 3, hash },
    deadLetters: 1,
  };
  expect(await proofOf("orders:building")).toEqual({
    status: 200,
    body: {
      name: "orders:building",
      agrees: null,
      partitions: [
        { ...partition, log: { position: 0, ...nothing }, auditedAt: null, agrees: null },
      ],
      faults: [],
    },
  });
  await audit(store.pool, { name: "orders:building" });
  await pass(store, { name: "orders:building" }, { from: 4, to: 6 });
  expect((await proofOf("orders%3Abuilding")).body).toEqual({
    name: "orders:building",
    agrees: true,
    partitions: [
      {
        ...partition,
        position: 6,
        taken: { count: 5, hash },
        log: { position: 4, count: 4, hash },
        auditedAt: time,
        agrees: true,
      },
    ],
    faults: [],
  });
});

test("proof of a subscription agrees no more when one of its partitions has a fault", async () => {
  const shared = { name: "shared", partitions: 2 };
  await declare(store.pool, shared);
  const agreement = async () => {
    const { agrees, partitions, faults } = (await proofOf("shared")).body;
    return [agrees, (partitions as { agrees: unknown }[]).map((each) => each.agrees), faults];
  };
  await pass(store, shared, { partition: 0, from: 0, to: 6 });
  await pass(store, shared, { partition: 1, from: 0, to: 6 });
  await audit(store.pool, shared, { partition: 0 });
  const [one, other] = [await agreement(), await audit(store.pool, shared, { partition: 1 })];
  expect([one, other.agrees]).toEqual([[null, [true, null], []], true]);
  expect(await agreement()).toEqual([true, [true, true], []]);
  await appendAll(store.pool, appendTo("a", null, 2), appendTo("b", 0, 2), appendTo("d", 0, 2));
  await moveByHand(store, shared, 12, 1);
  expect(await agreement()).toEqual([false, [true, false], []]);
  await audit(store.pool, shared, { partition: 1 });
  const fault = { partition: 1, kind: "skipped", afterPosition: 6, toPosition: 12, foundAt: time };
  const [agrees, each, faults] = await agreement();
  expect([agrees, each, faults]).toMatchObject([false, [true, false], [fault]]);
});

test("proof is 404 of a name that there is not, and 422 of one that can be none", async () => {
  expect(await proofOf("nobody")).toMatchObject({ status: 404, body: { code: "not-found" } });
  expect(await proofOf("a%20b")).toMatchObject({
    status: 422,
    body: { code: "validation-failed" },
  });
  expect(await proofOf("nobody", "?now=true")).toMatchObject({ status: 422 });
});

test("proof is 403 to who may not administer", async () => {
  expect(await proofOf("orders:building", "", "log.read")).toMatchObject({
    status: 403,
    body: { requiredScope: "admin" },
  });
});
