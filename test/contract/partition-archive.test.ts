import { createHash } from "node:crypto";
import { readdirSync, readFileSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";

import { afterEach, beforeEach, describe, expect, test } from "bun:test";

import type { Manifest } from "#store/partitions/manifest.ts";
import { findPartition, holdPartition, listPartitions } from "#store/partitions/register.ts";
import type { Pool } from "#store/pool.ts";
import { readAfter, readStream } from "#store/events.ts";
import {
  allRows,
  archive,
  restore,
  settleThreeMonths,
  closeArchives,
  openArchives,
} from "#test/support/archives.ts";
import { appendAll, appendTo } from "#test/support/appends.ts";
import { logFaults } from "#test/support/log-faults.ts";
import type { TestStore } from "#test/support/store.ts";

let store: TestStore;
let direct: Pool;
let folder: string;
beforeEach(async () => {
  ({ store, direct, folder } = await openArchives());
});
afterEach(() => closeArchives({ store, direct, folder }));

const refusal = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => "done",
    (error: Error & { code?: string }) => [error.code, error.message],
  );

const sha256 = (bytes: string | Uint8Array): string =>
  createHash("sha256").update(bytes).digest("hex");

const manifestIn = (name: string): Manifest =>
  JSON.parse(readFileSync(join(folder, name, "manifest.json"), "utf8")) as Manifest;

describe("an archive", () => {
  test("every row is as it was when the months are archived and restored", async () => {
    const { sql, pool } = store;
    const [first, second] = await settleThreeMonths(sql);
    const before = await allRows(sql);
    const stream = { aggregateType: "Thing", aggregateId: "a-1", fromVersion: 1, toVersion: 99 };
    const versions = await readStream(pool, { ...stream, limit: 99 });
    await archive(direct, first, folder);
    await archive(direct, second, folder);
    expect((await allRows(sql)).length).toBe(1);
    expect((await findPartition(direct, first)).table).toBe("gone");
    await restore(direct, second);
    const restored = await restore(direct, first);
    expect([restored.state, restored.table, restored.events]).toEqual(["attached", "attached", 25]);
    expect(await allRows(sql)).toEqual(before);
    expect(await logFaults(sql)).toEqual([]);
    expect(await readStream(pool, { ...stream, limit: 99 })).toEqual(versions);
    expect((await readAfter(pool, 0, 1_000)).length).toBe(before.length);
    // And once more, from the files that are there.
    await archive(direct, first, folder);
    await restore(direct, first);
    expect(await allRows(sql)).toEqual(before);
    await appendAll(pool, appendTo("a-1", versions.length));
    expect(await logFaults(sql)).toEqual([]);
  });

  test("manifest proves every file and continues the chain when it is read by anyone", async () => {
    const [first, second] = await settleThreeMonths(store.sql);
    await archive(direct, first, folder);
    await archive(direct, second, folder);
    let chain = "0".repeat(64);
    let position = 0;
    for (const name of [first, second]) {
      const manifest = manifestIn(name);
      const files = readdirSync(join(folder, name)).filter((file) => file !== "manifest.json");
      expect(manifest.files.map((file) => file.name)).toEqual(files.toSorted());
      for (const file of manifest.files) {
        const bytes = readFileSync(join(folder, name, file.name));
        expect([file.bytes, file.sha256]).toEqual([bytes.length, sha256(bytes)]);
        chain = sha256(chain + file.sha256);
        expect(file.chain).toBe(chain);
        for (const line of gunzipSync(bytes).toString().trimEnd().split("\n")) {
          position += 1;
          expect((JSON.parse(line) as { position: number }).position).toBe(position);
        }
        expect(file.lastPosition).toBe(position);
      }
      expect([manifest.chain, manifest.lastPosition]).toEqual([chain, position]);
      const row = await findPartition(direct, name);
      expect([row.archiveDigest, row.archiveChain, row.archivePlace]).toEqual([
        sha256(readFileSync(join(folder, name, "manifest.json"))),
        chain,
        join(folder, name),
      ]);
    }
    expect(manifestIn(second).previous).toEqual({
      partition: first,
      chain: manifestIn(first).chain,
    });
  });

  test("partition is archived again when its first archive has moved or was cut otherwise", async () => {
    const { sql } = store;
    const [first, second] = await settleThreeMonths(sql);
    const before = await allRows(sql);
    await archive(direct, second, folder);
    const once = await restore(direct, second);
    // Its chain goes on from a month that was not archived then, and its files are others.
    await archive(direct, first, folder);
    const elsewhere = join(folder, "elsewhere");
    const again = await archive(direct, second, elsewhere, { eventsPerFile: 7 });
    expect(again).toMatchObject({ state: "archived", archivePlace: join(elsewhere, second) });
    expect(again.archiveDigest).not.toBe(once.archiveDigest);
    await restore(direct, second);
    await restore(direct, first);
    expect(await allRows(sql)).toEqual(before);
  });

  test("archive does nothing when it is asked for again", async () => {
    const [first] = await settleThreeMonths(store.sql);
    const once = await archive(direct, first, folder);
    expect(await archive(direct, first, folder)).toEqual(once);
    const back = await restore(direct, first);
    expect(await restore(direct, first)).toEqual(back);
  });

  test("readers are told the partition when it is archived", async () => {
    const { sql, pool } = store;
    const [first] = await settleThreeMonths(sql);
    await archive(direct, first, folder);
    const told = (work: Promise<unknown>) =>
      work.then(
        () => "done",
        (error: { code?: string; context?: { partition?: string } }) => [
          error.code,
          error.context?.partition,
        ],
      );
    const range = { aggregateType: "Thing", aggregateId: "a-1", fromVersion: 1, toVersion: 99 };
    expect([
      await told(readAfter(pool, 0, 10)),
      await told(readStream(pool, { ...range, limit: 99 })),
    ]).toEqual([
      ["partition-archived", first],
      ["partition-archived", first],
    ]);
    expect((await readAfter(pool, 25, 1_000)).length).toBe(27);
  });
});

describe("a partition that is needed", () => {
  test("archive says why when it keeps the partition", async () => {
    const { sql } = store;
    const [first, second] = await settleThreeMonths(sql);
    const all = await listPartitions(direct);
    const newest = all.find(({ firstPosition }) => firstPosition === 52)?.name ?? "";
    const empty = all.at(-1)?.name ?? "";
    const tried = (name: string) => refusal(archive(direct, name, folder));
    const found: unknown[] = [
      await tried("events_1999_01"),
      await tried(newest),
      await tried(empty),
    ];
    await sql`update varve.event_partitions set last_position = 52 where name = ${newest}`;
    found.push(await tried(newest));
    await sql`insert into varve.checkpoints (subscription, position) values ('fast', 99), ('slow', 24)`;
    found.push(await tried(first));
    await sql`update varve.checkpoints set position = 25 where subscription = 'slow'`;
    found.push(await tried(second));
    await holdPartition(direct, first, "case 7");
    found.push(await tried(first));
    await holdPartition(direct, first, null);
    await sql`insert into varve.idempotency (principal, key, fingerprint, aggregate_type,
        aggregate_id, from_version, to_version, created_at)
      select 'p', 'k', 'f', 'Thing', 'a-1', 1, 1, created_at from varve.events where position = 1`;
    found.push(await tried(first));
    const kept = (name: string, reason: string) => ["partition-kept", `${name} is kept: ${reason}`];
    expect(found).toEqual([
      ["partition-kept", "there is no such partition"],
      kept(newest, "it is not closed"),
      kept(empty, "it holds no events"),
      kept(newest, "no later partition holds events"),
      kept(first, "subscription slow has only read up to position 24 of 25"),
      kept(second, "subscription slow has only read up to position 25 of 51"),
      kept(first, "it is held: case 7"),
      kept(first, "idempotency keys that are still remembered lead to its events"),
    ]);
    expect(readdirSync(folder)).toEqual([]);
    await sql`delete from varve.idempotency`;
    expect(await tried(first)).toBe("done");
    expect((await listPartitions(direct)).map(({ state }) => state)).toEqual(
      all.map(({ name }) => (name === first ? "archived" : "attached")),
    );
  });

  test("partition stays when its folder is there and cannot be written to", async () => {
    const [first] = await settleThreeMonths(store.sql);
    symlinkSync("/proc/self", join(folder, first));
    const [code] = (await refusal(archive(direct, first, folder))) as [string];
    expect(code).toBe("service-unavailable");
    expect(await findPartition(direct, first)).toMatchObject({ state: "attached" });
  });

  test("partition stays when it is held while its archive is written", async () => {
    const { sql } = store;
    const [first] = await settleThreeMonths(sql);
    const before = await allRows(sql);
    const holds: Promise<boolean>[] = [];
    const onProgress = (): void => void holds.push(holdPartition(direct, first, "case 8"));
    expect(await refusal(archive(direct, first, folder, { onProgress }))).toEqual([
      "partition-kept",
      `${first} is kept: it is held: case 8`,
    ]);
    await Promise.all(holds);
    await restore(direct, first);
    expect(await allRows(sql)).toEqual(before);
  });

  test("second at work is sent away when the first has the lease", async () => {
    const [first, second] = await settleThreeMonths(store.sql);
    let other: Promise<unknown> | undefined;
    const onProgress = (): void => {
      other ??= refusal(archive(direct, second, folder));
    };
    await archive(direct, first, folder, { onProgress });
    expect(await other).toEqual([
      "partition-busy",
      "another is at work on the partitions: try again later",
    ]);
  });

  test("lease is nobody's when it was taken while the clock was years ahead", async () => {
    const { sql } = store;
    const [first] = await settleThreeMonths(sql);
    await sql`insert into varve.leases (subscription, owner, epoch, expires_at)
      values ('$partitions', gen_random_uuid(), 1, now() + interval '3 years')`;
    expect(await archive(direct, first, folder)).toMatchObject({ state: "archived" });
  });

  test("step is refused when the lease is another's", async () => {
    const { sql } = store;
    const [first] = await settleThreeMonths(sql);
    const onProgress = (): void => {
      void sql`update varve.leases set owner = gen_random_uuid(),
        expires_at = now() + interval '1 minute'`.execute();
    };
    const [code] = (await refusal(archive(direct, first, folder, { onProgress }))) as [string];
    expect(code).toBe("lease-lost");
    expect((await findPartition(direct, first)).state).toBe("detached");
  });
});
