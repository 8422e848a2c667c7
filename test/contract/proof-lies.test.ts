import { describe, expect, test } from "bun:test";

import { auditProof } from "#store/proofs.ts";
import { appendAll, appendTo } from "#test/support/appends.ts";
import {
  allAgrees,
  audit,
  declare,
  mail,
  moveByHand,
  partitionOf,
  pass,
  settle,
  standing,
  useProofs,
} from "#test/support/proofs.ts";
import { brokenIn } from "#test/support/verified.ts";

const store = useProofs(appendTo("a", 0, 10));

const upTo = (last: number): readonly number[] =>
  Array.from({ length: last }, (_, index) => index + 1);

/** What the audit tells of a program that says it has taken these. */
async function toldOf(taken: readonly number[]): Promise<readonly string[]> {
  await pass(store, mail, { from: 0, to: 10, taken });
  await audit(store.pool, mail, { eventsMax: 3 });
  return standing(store.pool, mail);
}

describe("a program that lies", () => {
  test("is told the position that it left out", async () => {
    expect(await toldOf(upTo(10).filter((position) => position !== 7))).toEqual(["skipped 7"]);
    expect(await audit(store.pool, mail)).toEqual({ ...allAgrees, agrees: false });
    expect(await standing(store.pool, mail)).toEqual(["skipped 7"]);
    expect(await brokenIn(store.database.url)).toMatchObject({
      proofs: [{ kind: "skipped", afterPosition: 6, toPosition: 7, positions: [7], total: 1 }],
    });
  });

  test("is told the position that it took twice", async () => {
    expect(await toldOf([...upTo(10), 10])).toEqual(["doubled 10"]);
  });

  test("is told both when it left one out and took another twice", async () => {
    expect(await toldOf([1, 2, 3, 3, 5, 6, 7, 8, 9, 10])).toEqual(["skipped 4", "doubled 3"]);
  });

  test("is told two that it left out, and two that it took twice", async () => {
    expect(await toldOf(upTo(8))).toEqual(["skipped 9", "skipped 10"]);
    await appendAll(store.pool, appendTo("a", null, 5));
    await pass(store, mail, { from: 10, to: 15, taken: [11, 11, 11, 12, 13, 14, 15] });
    await audit(store.pool, mail);
    expect(await standing(store.pool, mail)).toEqual([
      "skipped 9",
      "skipped 10",
      "doubled 11",
      "doubled 11",
    ]);
  });

  test("is told the range where it left more out, and what comes after by itself", async () => {
    expect(await toldOf([1, 2, 3])).toEqual(["mismatch  of 7"]);
    await appendAll(store.pool, appendTo("a", null, 5));
    await pass(store, mail, { from: 10, to: 15, taken: [11, 12, 14, 15] });
    const { faults } = await audit(store.pool, mail);
    expect(faults).toMatchObject([{ kind: "skipped", positions: [13] }]);
    expect(await standing(store.pool, mail)).toEqual(["mismatch  of 7", "skipped 13"]);
  });

  test("is told the position that was another partition's to take", async () => {
    const shared = { name: "shared", partitions: 2 };
    await declare(store.pool, shared);
    await appendAll(store.pool, ...["b", "c", "d", "e", "f"].map((id) => appendTo(id, 0)));
    const mine = partitionOf("Thing-b", 2);
    await pass(store, shared, { partition: mine, from: 0, to: 15 });
    await pass(store, shared, { partition: 1 - mine, from: 0, to: 10 });
    await audit(store.pool, shared, { partition: mine });
    await audit(store.pool, shared, { partition: 1 - mine });
    const others = ["b", "c", "d", "e", "f"].flatMap((id, index) =>
      partitionOf(`Thing-${id}`, 2) === mine ? [] : [11 + index],
    );
    await pass(store, shared, { partition: 1 - mine, from: 10, to: 15, taken: [11, ...others] });
    await audit(store.pool, shared, { partition: 1 - mine });
    expect(await standing(store.pool, shared)).toEqual(["mismatch 11"]);
  });

  test("is told the letter that it resolved without any effect, and one that it lost", async () => {
    await pass(store, mail, { from: 0, to: 10, failed: [2, 6] });
    expect(await audit(store.pool, mail)).toEqual(allAgrees);
    await settle(store, mail, { position: 2, taken: [] });
    await audit(store.pool, mail);
    expect(await standing(store.pool, mail)).toEqual(["skipped 2"]);
    await store.sql`delete from varve.dead_letters where position = 6`;
    expect(await brokenIn(store.database.url)).toMatchObject({
      proofs: [{ kind: "skipped" }, { kind: "unexplained", total: 1 }],
    });
    await audit(store.pool, mail);
    expect(await standing(store.pool, mail)).toEqual(["skipped 2", "mismatch  of 1"]);
  });

  test("is told each lie once, by whichever of two audits comes first", async () => {
    await pass(store, mail, { from: 0, to: 10, failed: [4] });
    // Else the first call waits for the others to connect.
    await Promise.all([1, 2, 3].map(() => audit(store.pool, mail)));
    await settle(store, mail, { position: 4, taken: [] });
    const step = () => auditProof(store.pool, { subscription: "mail", partition: 0 }, 1_000);
    const told = [];
    for (let round = 0; round < 5; round += 1) {
      told.push(...(await Promise.all([step(), step(), step()])).flatMap(({ faults }) => faults));
    }
    expect(told.map(({ kind, positions }) => [kind, positions])).toEqual([["skipped", [4]]]);
    expect(await standing(store.pool, mail)).toEqual(["skipped 4"]);
  });

  test("is told no more than a hundred lies apart", async () => {
    await appendAll(store.pool, appendTo("b", 0, 120));
    let from = 0;
    for (let position = 1; position <= 120; position += 1) {
      await pass(store, mail, { from, to: position, taken: position % 10 === 9 ? [] : [1, 2, 3] });
      await audit(store.pool, mail);
      from = position;
    }
    const found = await standing(store.pool, mail);
    expect(found.length).toBeLessThanOrEqual(101);
    expect(await audit(store.pool, mail)).toEqual({ ...allAgrees, agrees: false });
  }, 30_000);

  test("is no longer told what it left out once it has taken that after all", async () => {
    expect(await toldOf(upTo(9))).toEqual(["skipped 10"]);
    await moveByHand(store, mail, 9);
    await pass(store, mail, { from: 9, to: 10 });
    expect(await audit(store.pool, mail)).toEqual(allAgrees);
  });
});
