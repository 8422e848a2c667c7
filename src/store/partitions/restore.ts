import { join } from "node:path";

import { isCode, VarveError } from "#kernel/errors.ts";
import type { Pool } from "#store/pool.ts";
import { queries } from "#store/statements.ts";

import { compareWithTable, type Keeper } from "./archive.ts";
import { onDisk, readLines } from "./files.ts";
import { readManifest, type StoredManifest } from "./manifest.ts";
import { findPartition, type Partition } from "./register.ts";
import { analyzePartition, detachTable } from "./tables.ts";

/** The position that a line claims; the database checks it against all the rest. */
function positionOf(line: string, path: string): number {
  try {
    const value: unknown = JSON.parse(line);
    const position: unknown =
      typeof value === "object" && value !== null ? Reflect.get(value, "position") : undefined;
    if (typeof position === "number") return position;
  } catch {
    // Said below, without quoting the line.
  }
  throw new VarveError("archive-damaged", `${path} has a line that is no event`);
}

/** Reads all files through, before the database hears of any. */
async function verifyFiles({ manifest }: StoredManifest, folder: string): Promise<void> {
  let next = manifest.firstPosition;
  for (const file of manifest.files) {
    const path = join(folder, file.name);
    for await (const lines of readLines(path, file)) {
      for (const line of lines) {
        if (positionOf(line, path) !== next) {
          throw new VarveError(
            "archive-damaged",
            `${path} has no position ${next} where it should`,
          );
        }
        next += 1;
      }
    }
    if (next !== file.lastPosition + 1) {
      throw new VarveError("archive-damaged", `${path} does not end where it should`);
    }
  }
}

/** Puts lines into the table as they are: text that only the database reads. */
async function load(
  direct: Pool,
  [owner, name, lines]: readonly [string, string, readonly string[]],
  path: string,
): Promise<number> {
  try {
    const parameters = [owner, name, `[${lines.join(",")}]`];
    const [row] = await direct.query<{ reached: number }>(queries.loadPartition, parameters);
    return row?.reached ?? 0;
  } catch (error) {
    if (!isCode(error, "invalid-data")) throw error;
    const message = `${path} has lines that the table refuses`;
    throw new VarveError("archive-damaged", message, error.context, error);
  }
}

async function loadFiles(keeper: Keeper, { manifest }: StoredManifest, folder: string) {
  const { owner, direct, onProgress } = keeper;
  const { partition: name, firstPosition, count } = manifest;
  const [begun] = await direct.query<{ reached: number }>(queries.beginRestore, [owner, name]);
  let reached = begun?.reached ?? 0;
  for (const file of manifest.files.filter(({ lastPosition }) => lastPosition > reached)) {
    const path = join(folder, file.name);
    for await (const lines of readLines(path, file)) {
      reached = await load(direct, [owner, name, lines], path);
      onProgress?.({ step: "load", done: reached - firstPosition + 1, total: count });
    }
  }
}

const attach = async (direct: Pool, owner: string, name: string): Promise<void> => {
  // A detachment that a killed program left waiting would come through after this.
  await direct.query(queries.endDetach, []);
  await direct.query(queries.attachPartition, [owner, name]);
};

/**
 * Brings a partition back into the log: from its archive, or where its table was not dropped yet,
 * or is apart although the register says otherwise, by attaching that again. `directory` is the one that it was archived to, and only needed where that
 * has moved. Goes on where it was interrupted; nothing to do where it is attached.
 */
export async function restorePartition(
  keeper: Keeper,
  name: string,
  directory: string | undefined,
): Promise<Partition> {
  const { owner, direct } = keeper;
  const partition = await findPartition(direct, name);
  const { state, table } = partition;
  if (state === "attached" && table === "attached") return partition;
  if (state === "detached" || state === "attached") {
    // A detachment that is half-way can only be finished.
    if (table === "pending") await detachTable(direct, name, keeper.waitMs);
    await attach(direct, owner, name);
    return findPartition(direct, name);
  }
  const folder = directory === undefined ? (partition.archivePlace ?? "") : join(directory, name);
  /** What was loaded wrongly must not be gone on with. */
  const giveUp = async (error: unknown): Promise<never> => {
    if (isCode(error, "archive-damaged")) await direct.query(queries.abandonRestore, [owner, name]);
    throw error;
  };
  await onDisk(folder, async () => {
    // 1. What lies there is what was written, all of it.
    const stored = await readManifest(folder, partition);
    if (stored === undefined) {
      throw new VarveError("archive-damaged", `there is no archive in ${folder}`);
    }
    await verifyFiles(stored, folder);
    // 2. Into a table apart from the log.
    await loadFiles(keeper, stored, folder);
    // 3. The database gives every line back as it was.
    await compareWithTable(keeper, stored, { folder, step: "compare" }).catch(giveUp);
  });
  await analyzePartition(direct, name);
  // 4. Into the log.
  await attach(direct, owner, name);
  return findPartition(direct, name);
}
