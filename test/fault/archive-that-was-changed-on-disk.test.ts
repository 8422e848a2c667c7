import { readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";

import { afterEach, beforeEach, expect, test } from "bun:test";

import { sha256Of } from "#store/partitions/files.ts";
import { findPartition } from "#store/partitions/register.ts";
import type { Pool } from "#store/pool.ts";
import {
  allRows,
  archive,
  restore,
  settleThreeMonths,
  closeArchives,
  openArchives,
} from "#test/support/archives.ts";
import type { TestStore } from "#test/support/store.ts";

let store: TestStore;
let direct: Pool;
let folder: string;
beforeEach(async () => {
  ({ store, direct, folder } = await openArchives());
});
afterEach(() => closeArchives({ store, direct, folder }));

/** The code, and the message without the folder. */
const outcomeOf = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => "done",
    (error: Error & { code?: string }) => `${error.code}: ${error.message.replaceAll(folder, "")}`,
  );

/** The second file of a month of 25 events, ten a file. */
const second = (name: string): string =>
  join(folder, name, readdirSync(join(folder, name)).toSorted()[1] ?? "");

const flip = (path: string): void => {
  const bytes = readFileSync(path);
  bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 1;
  writeFileSync(path, bytes);
};

type Rewritten = { sha256: string; bytes: number; chain: string };
type Manifest = { chain: string; files: Rewritten[] };

/** Puts other lines into a file, and makes the manifest and the register agree with it. */
async function forge(name: string, content: Uint8Array): Promise<void> {
  const path = second(name);
  writeFileSync(path, content);
  const manifestPath = join(folder, name, "manifest.json");
  const manifest = JSON.parse(readFileSync(manifestPath, "utf8")) as Manifest;
  let chain = "0".repeat(64);
  for (const [index, file] of manifest.files.entries()) {
    if (index === 1) {
      file.sha256 = sha256Of(content);
      file.bytes = content.length;
    }
    chain = sha256Of(chain + file.sha256);
    file.chain = chain;
  }
  manifest.chain = chain;
  const text = `${JSON.stringify(manifest, null, 2)}\n`;
  writeFileSync(manifestPath, text);
  await store.sql`update varve.event_partitions set archive_digest = ${sha256Of(text)}
    where name = ${name}`;
}

const linesOf = (name: string): readonly string[] =>
  Buffer.from(Bun.gunzipSync(readFileSync(second(name))))
    .toString()
    .trimEnd()
    .split("\n");

const zipped = (lines: readonly string[]): Uint8Array =>
  gzipSync(lines.map((line) => `${line}\n`).join(""));

test("table stays when a file of its archive is damaged before it is dropped", async () => {
  const { sql } = store;
  const [name] = await settleThreeMonths(sql);
  const before = await allRows(sql);
  const outcomes: unknown[] = [];
  const damages: readonly ((path: string) => void)[] = [
    flip,
    (path) => writeFileSync(path, readFileSync(path).subarray(0, -9)),
    (path) => rmSync(path),
  ];
  for (const damage of damages) {
    let damaged = false;
    const onProgress = (): void => {
      const [file] = readdirSync(join(folder, name)).filter((one) => one.endsWith("20.jsonl.gz"));
      if (damaged || file === undefined) return;
      damaged = true;
      damage(join(folder, name, file));
    };
    outcomes.push(await outcomeOf(archive(direct, name, folder, { onProgress })));
    expect(await findPartition(direct, name)).toMatchObject({ state: "detached", table: "apart" });
    rmSync(join(folder, name), { recursive: true });
  }
  const path = `/${name}/000000000011-000000000020.jsonl.gz`;
  expect(outcomes).toEqual([
    `archive-damaged: ${path} is not what was written: its hash differs`,
    `archive-damaged: ${path} is not what was written: its hash differs`,
    `archive-damaged: ${path} is not there`,
  ]);
  // Nor where the damaged file was there before, and only the table can tell.
  await archive(direct, name, folder);
  await restore(direct, name);
  writeFileSync(
    second(name),
    zipped(linesOf(name).map((line) => line.replace("Happened", "Else"))),
  );
  rmSync(join(folder, name, "manifest.json"));
  await sql`update varve.event_partitions set archive_digest = null`;
  expect(await outcomeOf(archive(direct, name, folder))).toBe(
    `archive-damaged: ${path} is not what the table holds at position 11`,
  );
  await restore(direct, name);
  expect(await allRows(sql)).toEqual(before);
});

test("database hears nothing when a changed archive is restored", async () => {
  const [name, other] = await settleThreeMonths(store.sql);
  await archive(direct, name, folder);
  await archive(direct, other, folder);
  const files = readdirSync(join(folder, name)).map((file) => join(folder, name, file));
  const kept = files.map((file) => readFileSync(file));
  const tried: unknown[] = [];
  const attempt = async (change: () => void) => {
    change();
    tried.push(await outcomeOf(restore(direct, name)));
    files.forEach((file, index) => writeFileSync(file, kept[index] ?? ""));
  };
  const path = second(name);
  const manifest = join(folder, name, "manifest.json");
  await attempt(() => flip(path));
  await attempt(() => writeFileSync(path, readFileSync(path).subarray(0, -9)));
  await attempt(() => rmSync(path));
  await attempt(() => flip(manifest));
  await attempt(() => rmSync(manifest));
  await attempt(() => {
    writeFileSync(manifest, readFileSync(join(folder, other, "manifest.json")));
  });
  const file = `/${name}/000000000011-000000000020.jsonl.gz`;
  const notOurs = "is not the one that the register remembers: another log's, or changed";
  expect(tried).toEqual([
    `archive-damaged: ${file} is not what was written: its hash differs`,
    `archive-damaged: ${file} is not what was written: its hash differs`,
    `archive-damaged: ${file} is not there`,
    `archive-damaged: /${name}/manifest.json ${notOurs}`,
    `archive-damaged: there is no archive in /${name}`,
    `archive-damaged: /${name}/manifest.json ${notOurs}`,
  ]);
  expect(await findPartition(direct, name)).toMatchObject({ state: "archived", table: "gone" });
  renameSync(join(folder, name), join(folder, "moved"));
  expect(await outcomeOf(restore(direct, name))).toBe(
    `archive-damaged: there is no archive in /${name}`,
  );
});

test("log takes nothing in when whoever changed the archive could change the register too", async () => {
  const { sql } = store;
  const [name] = await settleThreeMonths(sql);
  const before = await allRows(sql);
  await archive(direct, name, folder);
  const lines = linesOf(name);
  const original = readFileSync(second(name));
  const forged = (change: (line: string, index: number) => string): Uint8Array =>
    zipped(lines.map(change));
  const moved = (line: string, index: number): string =>
    index === 3 ? line.replace(/"position": \d+/, '"position": 99') : line;
  const contents: readonly Uint8Array[] = [
    forged(moved),
    zipped([...lines.slice(0, 9), lines[0] ?? ""]),
    zipped(lines.slice(0, 9)),
    forged((line, index) => (index === 3 ? "no json" : line)),
    original.subarray(0, -9),
    gzipSync(Buffer.alloc(200 * 1024 * 1024, " ")),
    forged((line, index) =>
      index === 3 ? line.replace(/"created_at": "\d+/, '"created_at": "1999') : line,
    ),
    forged((line, index) =>
      index === 3 ? line.replace('"Happened"', '"Happened", "event_type": "x"') : line,
    ),
  ];
  const outcomes: unknown[] = [];
  for (const content of contents) {
    await forge(name, content);
    const residentBefore = process.memoryUsage().rss;
    outcomes.push(await outcomeOf(restore(direct, name)));
    expect(process.memoryUsage().rss - residentBefore).toBeLessThan(300 * 1024 * 1024);
    expect((await findPartition(direct, name)).table).not.toBe("attached");
  }
  const path = `/${name}/000000000011-000000000020.jsonl.gz`;
  expect(outcomes).toEqual([
    `archive-damaged: ${path} has no position 14 where it should`,
    `archive-damaged: ${path} has no position 20 where it should`,
    `archive-damaged: ${path} does not end where it should`,
    `archive-damaged: ${path} has a line that is no event`,
    `archive-damaged: ${path} cannot be decompressed`,
    `archive-damaged: ${path} has a line without an end`,
    `archive-damaged: ${path} has lines that the table refuses`,
    `archive-damaged: ${path} is not what the table holds at position 14`,
  ]);
  // What was loaded wrongly is gone: the right file is taken.
  await forge(name, original);
  expect(await outcomeOf(restore(direct, name))).toBe("done");
  expect(await allRows(sql)).toEqual(before);
});
