import { join } from "node:path";

import { VarveError } from "#kernel/errors.ts";
import type { Pool } from "#store/pool.ts";
import { queries } from "#store/statements.ts";

import { factsOf, onDisk, openFolder, pageOf, readLines, writeLines, writeWhole } from "./files.ts";
import {
  manifestOf,
  manifestPath,
  manifestText,
  readManifest,
  type ArchivedFile,
  type Manifest,
  type StoredManifest,
} from "./manifest.ts";
import { findPartition, listPartitions, type Partition } from "./register.ts";
import { detachTable, readLinesOf } from "./tables.ts";

/** What is being done, and how far: events of a partition. */
export type Progress = {
  readonly step: "export" | "verify" | "load" | "compare";
  readonly done: number;
  readonly total: number;
};

/** Who works on the partitions, and how. */
export type Keeper = {
  /** Of the lease. */
  readonly owner: string;
  /** See `tablePoolOptions`. */
  readonly direct: Pool;
  /** The longest wait for transactions of others. */
  readonly waitMs: number;
  /** Events in one file. Default: 100,000. */
  readonly eventsPerFile?: number;
  readonly onProgress?: (progress: Progress) => void;
};

/** Compresses to some tens of megabytes with events of a kilobyte: quick to check, easy to move. */
const EVENTS_PER_FILE = 100_000;

/** The events of a table between two positions, in pages. */
async function* tablePages(direct: Pool, name: string, first: number, last: number) {
  for (let next = first; next <= last;) {
    const count = Math.min(pageOf.lines, last - next + 1);
    const page = await readLinesOf(direct, name, { after: next - 1, count, bytes: pageOf.bytes });
    if (page.length === 0) throw new VarveError("archive-damaged", `${name} has lost events`);
    yield page.map(({ line }) => line);
    next += page.length;
  }
}

/** The runs of positions that make a file each. */
function runsOf({ firstPosition, lastPosition }: Partition, eventsPerFile: number) {
  const [first, last] = [firstPosition ?? 0, lastPosition ?? -1];
  return Array.from({ length: Math.ceil((last - first + 1) / eventsPerFile) }, (_, index) => {
    const from = first + index * eventsPerFile;
    return { first: from, last: Math.min(from + eventsPerFile - 1, last) };
  });
}

const fileName = (first: number, last: number): string => {
  const padded = (position: number): string => String(position).padStart(12, "0");
  return `${padded(first)}-${padded(last)}.jsonl.gz`;
};

/** Writes the files that are not there yet. What was there is believed no more than what is new. */
async function exportFiles(keeper: Keeper, partition: Partition, folder: string) {
  const { direct, eventsPerFile = EVENTS_PER_FILE, onProgress } = keeper;
  const files: Omit<ArchivedFile, "chain">[] = [];
  let done = 0;
  for (const { first, last } of runsOf(partition, eventsPerFile)) {
    const name = fileName(first, last);
    const path = join(folder, name);
    if ((await factsOf(path)) === undefined) {
      await writeLines(path, tablePages(direct, partition.name, first, last));
    }
    const facts = await factsOf(path);
    if (facts === undefined) throw new VarveError("archive-damaged", `${path} has gone`);
    const count = last - first + 1;
    files.push({ name, firstPosition: first, lastPosition: last, count, ...facts });
    done += count;
    onProgress?.({ step: "export", done, total: partition.events });
  }
  return files;
}

/** The chain that this partition's continues. */
function previousOf(all: readonly Partition[], name: string): Manifest["previous"] {
  const older = all.slice(
    0,
    all.findIndex((one) => one.name === name),
  );
  const last = older.findLast(({ archiveChain }) => archiveChain !== null);
  if (last === undefined || last.archiveChain === null) return null;
  return { partition: last.name, chain: last.archiveChain };
}

/** Exports a detached partition, or what is missing of its export; answers with its manifest. */
export async function exportPartition(
  keeper: Keeper,
  name: string,
  folder: string,
): Promise<StoredManifest> {
  const all = await listPartitions(keeper.direct);
  const found = await findPartition(keeper.direct, name);
  // An archive before this one may lie elsewhere or be cut otherwise: this one is compared with the
  // table, which is all that it has to be.
  const partition = { ...found, archiveDigest: null };
  const before = await readManifest(folder, partition);
  if (before !== undefined) return before;
  const files = await exportFiles(keeper, partition, folder);
  const text = manifestText(manifestOf(partition, previousOf(all, name), files));
  await writeWhole(manifestPath(folder), text);
  const written = await readManifest(folder, partition);
  if (written === undefined) throw new VarveError("archive-damaged", `${folder} has no manifest`);
  return written;
}

/**
 * Reads every file back from the disk and compares each line, byte by byte, with what the table
 * holds. Throws `archive-damaged` at the first difference.
 */
export async function compareWithTable(
  keeper: Pick<Keeper, "direct" | "onProgress">,
  { manifest }: StoredManifest,
  options: { readonly folder: string; readonly step: Progress["step"] },
): Promise<void> {
  const { direct, onProgress } = keeper;
  const { partition: name, firstPosition, lastPosition, count } = manifest;
  let next = firstPosition;
  for (const file of manifest.files) {
    const path = join(options.folder, file.name);
    for await (const lines of readLines(path, file)) {
      const bytes = 2 ** 31 - 1;
      const page = await readLinesOf(direct, name, { after: next - 1, count: lines.length, bytes });
      for (const [index, line] of lines.entries()) {
        const stored = page[index];
        if (stored?.position !== next + index || stored.line !== line) {
          const what = `is not what the table holds at position ${next + index}`;
          throw new VarveError("archive-damaged", `${path} ${what}`);
        }
      }
      next += lines.length;
      onProgress?.({ step: options.step, done: next - firstPosition, total: count });
    }
    if (next !== file.lastPosition + 1) {
      throw new VarveError("archive-damaged", `${path} does not end where it should`);
    }
  }
  if (next !== lastPosition + 1) {
    throw new VarveError("archive-damaged", `the archive of ${name} is not whole`);
  }
}

const kept = (name: string, reason: string): VarveError =>
  new VarveError("partition-kept", `${name} is kept: ${reason}`, { partition: name });

async function begin({ owner, direct }: Keeper, name: string): Promise<void> {
  const [begun] = await direct.query<{ kept: string | null }>(queries.beginArchive, [owner, name]);
  if (begun === undefined || begun.kept !== null) throw kept(name, begun?.kept ?? "");
}

/**
 * Moves a closed partition into a folder of its own below `directory`: out of the readers' sight,
 * detached, exported, verified, dropped. Goes on where it was interrupted; nothing to do where it is
 * archived already. Throws `partition-kept` with the reason, and as `register.ts` says.
 */
export async function archivePartition(
  keeper: Keeper,
  name: string,
  directory: string,
): Promise<Partition> {
  const { owner, direct } = keeper;
  const folder = join(directory, name);
  const before = await findPartition(direct, name);
  if (before.state === "archived") return before;
  // A folder that cannot be written must not cost the readers anything.
  const removeFolder = await onDisk(folder, () => openFolder(folder));
  try {
    // 1. Nobody needs it: readers are told from now on.
    await begin(keeper, name);
  } catch (error) {
    await removeFolder();
    throw error;
  }
  // 2. Apart.
  await detachTable(direct, name, keeper.waitMs);
  await onDisk(folder, async () => {
    // 3. On disk.
    const stored = await exportPartition(keeper, name, folder);
    // 4. Read back.
    await compareWithTable(keeper, stored, { folder, step: "verify" });
    // 5. Gone, and remembered.
    const { digest, manifest } = stored;
    const { firstPosition, lastPosition, count, chain } = manifest;
    const proof = { place: folder, digest, chain, firstPosition, lastPosition, count };
    const [end] = await direct.query<{ kept: string | null }>(queries.finishArchive, [
      owner,
      name,
      JSON.stringify(proof),
    ]);
    if (end === undefined || end.kept !== null) throw kept(name, end?.kept ?? "");
  });
  return findPartition(direct, name);
}
