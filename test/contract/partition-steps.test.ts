import { rmSync } from "node:fs";

import { afterEach, beforeEach, expect, test } from "bun:test";

import { findPartition, withPartitionLease } from "#store/partitions/register.ts";
import { readLinesOf } from "#store/partitions/tables.ts";
import type { Parameter, Pool, Statement } from "#store/pool.ts";
import { queries } from "#store/statements.ts";
import {
  allRows,
  archive,
  archiveFolder,
  openTables,
  settleThreeMonths,
} from "#test/support/archives.ts";
import { closeStore, openStore, type TestStore } from "#test/support/store.ts";

let store: TestStore;
let direct: Pool;
let folder: string;
let name: string;
beforeEach(async () => {
  store = await openStore();
  direct = openTables(store.database.url);
  folder = archiveFolder();
  [name] = await settleThreeMonths(store.sql);
});
afterEach(async () => {
  await direct.close(1_000);
  await closeStore(store);
  rmSync(folder, { recursive: true, force: true });
});

/** What the step answers, or the SQLSTATE with which it refuses. */
const step = (statement: Statement, parameters: readonly Parameter[]): Promise<unknown> =>
  direct.query(statement, parameters).then(
    ([row]) => Object.values(row ?? {})[0],
    (error: { context?: { sqlState?: string } }) => error.context?.sqlState ?? error,
  );

const loadWith = (owner: string, lines: readonly string[]) =>
  step(queries.loadPartition, [owner, name, `[${lines.join(",")}]`]);

test("lines go in once and in order when they are loaded again, with a gap or too many", async () => {
  const before = await allRows(store.sql);
  const page = { after: 0, count: 99, bytes: 1_000_000 };
  const lines = (await readLinesOf(direct, name, page)).map(({ line }) => line);
  expect(lines.length).toBe(25);
  await archive(direct, name, folder);
  await withPartitionLease(direct, async (owner) => {
    const answers = [
      await loadWith(owner, lines),
      await step(queries.beginRestore, [owner, name]),
      await loadWith(owner, lines.slice(0, 10)),
      await loadWith(owner, lines.slice(0, 10)),
      await loadWith(owner, lines.slice(5, 15)),
      await loadWith(owner, lines.slice(16, 25)),
      await step(queries.attachPartition, [owner, name]),
      await step(queries.beginRestore, [owner, name]),
      await loadWith(owner, [
        ...lines.slice(15),
        (lines[0] ?? "").replace(/"position": 1\b/, '"position": 26'),
      ]),
      await loadWith(owner, lines.slice(15)),
      await step(queries.attachPartition, [crypto.randomUUID(), name]),
      await step(queries.attachPartition, [owner, name]),
      await step(queries.attachPartition, [owner, name]),
      await loadWith(owner, lines),
    ];
    const [refused, notTheHolder, nothing] = ["VA021", "VA020", ""];
    expect(answers).toEqual([
      refused,
      0,
      10,
      10,
      15,
      refused,
      refused,
      15,
      "23505",
      25,
      notTheHolder,
      nothing,
      nothing,
      refused,
    ]);
  });
  expect(await allRows(store.sql)).toEqual(before);
});

test("table is dropped only when it is apart and the proof fits the register", async () => {
  const proof = {
    place: folder,
    digest: "d".repeat(64),
    chain: "c".repeat(64),
    firstPosition: 1,
    lastPosition: 25,
    count: 25,
  };
  const finish = (owner: string, changed: Partial<typeof proof> = {}) =>
    step(queries.finishArchive, [owner, name, JSON.stringify({ ...proof, ...changed })]);
  await withPartitionLease(direct, async (owner) => {
    const answers = [await finish(owner), await step(queries.beginArchive, [owner, name])];
    answers.push(await finish(owner));
    await direct.query(
      { name: "detach", text: `alter table varve.events detach partition varve.${name}` },
      [],
    );
    answers.push(await finish(crypto.randomUUID()));
    for (const changed of [{ firstPosition: 2 }, { lastPosition: 24 }, { count: 24 }]) {
      answers.push(await finish(owner, changed));
    }
    answers.push(await finish(owner, { digest: "short" }));
    expect((await findPartition(direct, name)).table).toBe("apart");
    answers.push(await finish(owner), await finish(owner));
    answers.push(await finish(owner, { digest: "e".repeat(64) }));
    expect(answers).toEqual([
      "VA021",
      null,
      "VA021",
      "VA020",
      "VA021",
      "VA021",
      "VA021",
      "23514",
      null,
      null,
      "VA021",
    ]);
  });
  expect((await findPartition(direct, name)).table).toBe("gone");
});
