import { describe, expect, test } from "bun:test";

import { discardDeadLetter } from "#store/dead-letters.ts";
import { readProof } from "#store/proofs.ts";
import { resetSubscription } from "#store/subscriptions.ts";
import { appendAll, appendTo } from "#test/support/appends.ts";
import {
  allAgrees,
  audit,
  declare,
  mail,
  eventOfType,
  moveByHand,
  pass,
  settle,
  standing,
  useProofs,
} from "#test/support/proofs.ts";
import { brokenIn } from "#test/support/verified.ts";

const store = useProofs(appendTo("a", 0, 4), appendTo("b", 0, 3), appendTo("c", 0, 3));

const discard = async (position: number): Promise<void> => {
  const [row] = await store.sql<{ id: number }[]>`
    select id::int from varve.dead_letters where position = ${position} and state = 'waiting'`;
  expect(await discardDeadLetter(store.pool, row?.id ?? 0, "nobody needs it")).toBe(true);
};

describe("a proof agrees with the log", () => {
  test("when every position is taken once, however they are paged and audited", async () => {
    await pass(store, mail, { from: 0, to: 3 });
    expect(await audit(store.pool, mail, { eventsMax: 1 })).toEqual(allAgrees);
    await pass(store, mail, { from: 3, to: 4 });
    await pass(store, mail, { from: 4, to: 10 });
    expect(await audit(store.pool, mail, { eventsMax: 4 })).toEqual(allAgrees);
    const sums = { count: 10, hash: expect.stringMatching(/^[0-9a-f]{16}$/) as string };
    const proof = await readProof(store.pool, "mail");
    expect(proof).toEqual({
      complete: true,
      partitions: [
        {
          partition: 0,
          position: 10,
          from: 0,
          taken: sums,
          log: { position: 10, ...sums },
          deadLetters: 0,
          auditedAt: expect.stringMatching(/^\d{4}-.*\.\d{6}Z$/) as string,
          agrees: true,
        },
      ],
      faults: [],
    });
    expect(proof?.partitions[0]?.taken.hash).toBe(proof?.partitions[0]?.log.hash ?? "");
  });

  test("when letters wait, are tried in vain, are resolved and discarded", async () => {
    await pass(store, mail, { from: 0, to: 10, failed: [2, 3, 4, 7] });
    expect(await audit(store.pool, mail)).toEqual(allAgrees);
    await settle(store, mail, { position: 2, resolved: false });
    await discard(3);
    expect(await audit(store.pool, mail)).toEqual(allAgrees);
    await settle(store, mail, { position: 2 });
    await settle(store, mail, { position: 7 });
    expect(await audit(store.pool, mail)).toEqual(allAgrees);
    const [partition] = (await readProof(store.pool, "mail"))?.partitions ?? [];
    expect(partition).toMatchObject({ taken: { count: 8 }, log: { count: 10 }, deadLetters: 2 });
  });

  test("when a position has two letters, of its stream and of its document", async () => {
    await pass(store, mail, { from: 0, to: 10, failed: [5] });
    await store.sql`
      insert into varve.dead_letters (subscription, key, kind, position, error_code)
        values ('mail', 'other', 'document', 5, 'invalid-data')`;
    expect(await audit(store.pool, mail)).toEqual(allAgrees);
  });

  test("when it filters by types and shares its streams out", async () => {
    const some = {
      name: "some",
      partitions: 3,
      eventTypes: ["Wanted", "Happened"],
      aggregateTypes: ["Thing"],
    };
    await declare(store.pool, some);
    const other = { ...appendTo("x", 0), aggregateType: "Other" };
    const ids = Array.from({ length: 30 }, (_, index) => `s-${index}`);
    const streams = ids.map((id) => ({
      ...appendTo(id, 0),
      events: [eventOfType("Wanted"), eventOfType("Unwanted")],
    }));
    await appendAll(store.pool, ...streams, other);
    for (const partition of [0, 1, 2]) {
      await pass(store, some, { partition, from: 0, to: 40 });
      await pass(store, some, { partition, from: 40, to: 71 });
      expect(await audit(store.pool, some, { partition })).toEqual(allAgrees);
    }
    const { partitions = [] } = (await readProof(store.pool, "some")) ?? {};
    const counts = partitions.map(({ log }) => log.count);
    expect([counts.length, counts.reduce((sum, each) => sum + each, 0)]).toEqual([3, 40]);
    expect(Math.min(...counts)).toBeGreaterThan(5);
  });

  test("when a subscription begins again, whatever was discarded before", async () => {
    await pass(store, mail, { from: 0, to: 10, failed: [2, 3] });
    await discard(3);
    expect(await resetSubscription(store.pool, "mail", 1)).toBe("done");
    await pass(store, mail, { from: 1, to: 10, failed: [2] });
    expect(await audit(store.pool, mail)).toEqual(allAgrees);
  });

  test("when a letter of before the proof is resolved later", async () => {
    await pass(store, mail, { from: 0, to: 10, failed: [2] });
    await declare(store.pool, { ...mail, eventTypes: ["Happened"] });
    await settle(store, mail, { position: 2 });
    await appendAll(store.pool, appendTo("d", 0, 2));
    await pass(store, mail, { from: 10, to: 12 });
    expect(await audit(store.pool, mail)).toEqual(allAgrees);
  });

  test("when the number of partitions changes", async () => {
    await pass(store, mail, { from: 0, to: 8, failed: [2] });
    const shared = { ...mail, partitions: 2 };
    await declare(store.pool, shared);
    await settle(store, shared, { position: 2 });
    for (const partition of [0, 1]) {
      await pass(store, shared, { partition, from: 8, to: 10 });
      expect(await audit(store.pool, shared, { partition })).toEqual(allAgrees);
    }
  });
});

describe("a checkpoint that is moved by hand", () => {
  test("is an alarm of what it skipped, though nothing comes after it", async () => {
    const happened = { name: "happened", eventTypes: ["Wanted"] };
    await declare(store.pool, happened);
    const mixed = ["Wanted", "Other", "Wanted", "Other", "Wanted"].map(eventOfType);
    await appendAll(store.pool, { ...appendTo("m", 0), events: mixed });
    await pass(store, happened, { from: 0, to: 11 });
    await moveByHand(store, happened, 14);
    const moved = { kind: "moved", afterPosition: 11, toPosition: 14, positions: [], total: null };
    expect(await brokenIn(store.database.url)).toEqual({
      proofs: [{ subscription: "happened", partition: 0, ...moved }],
    });
    const skipped = {
      partition: 0,
      kind: "skipped" as const,
      afterPosition: 11,
      toPosition: 14,
      positions: [13],
      total: 1,
    };
    expect(await audit(store.pool, happened)).toEqual({
      agrees: false,
      blocked: null,
      faults: [skipped],
    });
    await pass(store, happened, { from: 14, to: 15 });
    expect(await audit(store.pool, happened)).toEqual({ ...allAgrees, agrees: false });
    expect(await standing(store.pool, happened)).toEqual(["skipped 13"]);
    expect(await brokenIn(store.database.url)).toEqual({
      proofs: [{ subscription: "happened", ...skipped }],
    });
  });

  test("is no alarm when nobody wanted what it skipped", async () => {
    const other = { name: "other", eventTypes: ["Wanted"] };
    await declare(store.pool, other);
    await pass(store, other, { from: 0, to: 3 });
    await moveByHand(store, other, 9);
    expect(await audit(store.pool, other)).toEqual(allAgrees);
  });

  test("is an alarm though its holder goes on before the audit", async () => {
    await pass(store, mail, { from: 0, to: 4 });
    await moveByHand(store, mail, 6);
    await pass(store, mail, { from: 6, to: 10 });
    expect((await audit(store.pool, mail, { eventsMax: 2 })).faults).toMatchObject([
      { kind: "skipped", positions: [5, 6], total: 2 },
    ]);
  });

  test("names a hundred of those that it skipped, and how many there are", async () => {
    await appendAll(store.pool, appendTo("long", 0, 240));
    await moveByHand(store, mail, 250);
    const [fault] = (await audit(store.pool, mail, { eventsMax: 7 })).faults;
    expect([fault?.positions.length, fault?.positions.at(-1), fault?.total]).toEqual([
      100, 100, 250,
    ]);
  });

  test("is an alarm of what it doubled once that was taken again", async () => {
    await pass(store, mail, { from: 0, to: 8 });
    expect(await audit(store.pool, mail)).toEqual(allAgrees);
    await moveByHand(store, mail, 3);
    expect(await audit(store.pool, mail)).toEqual({ ...allAgrees, agrees: null });
    await pass(store, mail, { from: 3, to: 6 });
    expect(await audit(store.pool, mail)).toEqual({ ...allAgrees, agrees: null });
    expect((await readProof(store.pool, "mail"))?.partitions[0]?.agrees).toBe(null);
    await pass(store, mail, { from: 6, to: 10 });
    expect((await audit(store.pool, mail)).faults).toMatchObject([
      { kind: "doubled", afterPosition: 3, toPosition: 8, positions: [4, 5, 6, 7, 8], total: 5 },
    ]);
    expect(await audit(store.pool, mail)).toEqual({ ...allAgrees, agrees: false });
  });

  test("is no alarm any more once what it skipped was taken after all", async () => {
    await pass(store, mail, { from: 0, to: 4 });
    await moveByHand(store, mail, 7);
    expect((await audit(store.pool, mail)).faults).toMatchObject([{ positions: [5, 6, 7] }]);
    await moveByHand(store, mail, 4);
    expect(await standing(store.pool, mail)).toEqual(["skipped 5 6 7"]);
    await pass(store, mail, { from: 4, to: 10 });
    expect(await audit(store.pool, mail)).toEqual(allAgrees);
  });

  test("stays an alarm of what was not taken after all, and is one of what else was", async () => {
    await pass(store, mail, { from: 0, to: 3 });
    await moveByHand(store, mail, 6);
    await pass(store, mail, { from: 6, to: 8 });
    await moveByHand(store, mail, 4);
    await pass(store, mail, { from: 4, to: 10 });
    await audit(store.pool, mail);
    expect(await standing(store.pool, mail)).toEqual(["skipped 4", "doubled 7 8"]);
  });

  test("is no alarm when it was moved back before anybody went on", async () => {
    await pass(store, mail, { from: 0, to: 4 });
    await moveByHand(store, mail, 9);
    await moveByHand(store, mail, 4);
    await pass(store, mail, { from: 4, to: 10 });
    expect(await audit(store.pool, mail)).toEqual(allAgrees);
  });

  test("doubles as far as it got when it is moved forward again on its way", async () => {
    await pass(store, mail, { from: 0, to: 8 });
    await moveByHand(store, mail, 2);
    await pass(store, mail, { from: 2, to: 4 });
    await moveByHand(store, mail, 7);
    await pass(store, mail, { from: 7, to: 10 });
    await audit(store.pool, mail);
    expect(await standing(store.pool, mail)).toEqual(["doubled 3 4", "doubled 8"]);
  });

  test("is explained with the letters of what it doubled, whatever came of them", async () => {
    await pass(store, mail, { from: 0, to: 8, failed: [2, 3, 5] });
    await settle(store, mail, { position: 3 });
    await discard(5);
    await moveByHand(store, mail, 1);
    await pass(store, mail, { from: 1, to: 8, failed: [2, 3, 5] });
    expect((await audit(store.pool, mail)).faults).toMatchObject([{ kind: "doubled", total: 7 }]);
    await settle(store, mail, { position: 2 });
    await settle(store, mail, { position: 3 });
    expect(await audit(store.pool, mail)).toEqual({ ...allAgrees, agrees: false });
  });

  test("doubles what is older than its proof", async () => {
    await pass(store, mail, { from: 0, to: 8 });
    await declare(store.pool, { ...mail, eventTypes: ["Happened"] });
    await moveByHand(store, mail, 6);
    await pass(store, mail, { from: 6, to: 10 });
    await audit(store.pool, mail);
    expect(await standing(store.pool, mail)).toEqual(["doubled 7 8"]);
    expect((await readProof(store.pool, "mail"))?.partitions[0]?.agrees).toBe(true);
  });

  test("is forgiven when its subscription is reset", async () => {
    await pass(store, mail, { from: 0, to: 8 });
    await moveByHand(store, mail, 10);
    await audit(store.pool, mail);
    expect(await resetSubscription(store.pool, "mail", 8)).toBe("done");
    await pass(store, mail, { from: 8, to: 10 });
    expect(await audit(store.pool, mail)).toEqual(allAgrees);
    expect(await brokenIn(store.database.url)).toEqual({});
  });
});
