import { join } from "node:path";

import { VarveError } from "#kernel/errors.ts";

import { readWhole, sha256Of, type FileFacts } from "./files.ts";
import type { Partition } from "./register.ts";

/** What is said of one file: a run of the partition's events, one line of JSON each, gzipped. */
export type ArchivedFile = FileFacts & {
  readonly name: string;
  readonly firstPosition: number;
  readonly lastPosition: number;
  readonly count: number;
  /** SHA-256 of the chain before it and its own hash, both as hex text, one after the other. */
  readonly chain: string;
};

/** What lies beside the files; its own hash is in the register from the moment the table goes. */
export type Manifest = {
  readonly format: "varve-partition/1";
  readonly partition: string;
  readonly lowerBound: string;
  readonly upperBound: string;
  readonly firstPosition: number;
  readonly lastPosition: number;
  readonly count: number;
  /** The next older partition that was archived by then, whose chain this one continues. */
  readonly previous: { readonly partition: string; readonly chain: string } | null;
  readonly files: readonly ArchivedFile[];
  readonly chain: string;
};

/** A manifest as it lies on disk, with the hash of exactly these bytes. */
export type StoredManifest = { readonly manifest: Manifest; readonly digest: string };

/** A hundred thousand files; no month has as many. */
const MANIFEST_BYTES_MAX = 32 * 1024 * 1024;
/** The chain before the first archive. */
const noChain = "0".repeat(64);

/** Where the manifest of an archive lies. */
export const manifestPath = (folder: string): string => join(folder, "manifest.json");

/** The chain after each file. */
function chained(files: readonly FileFacts[], before: string): readonly string[] {
  let chain = before;
  return files.map(({ sha256 }) => (chain = sha256Of(chain + sha256)));
}

/** The manifest of these files of a closed partition. */
export function manifestOf(
  partition: Partition,
  previous: Manifest["previous"],
  files: readonly Omit<ArchivedFile, "chain">[],
): Manifest {
  const chains = chained(files, previous?.chain ?? noChain);
  const [firstPosition, lastPosition] = [partition.firstPosition ?? 0, partition.lastPosition ?? 0];
  return {
    format: "varve-partition/1",
    partition: partition.name,
    lowerBound: partition.lowerBound,
    upperBound: partition.upperBound,
    firstPosition,
    lastPosition,
    count: lastPosition - firstPosition + 1,
    previous,
    files: files.map((file, index) => ({ ...file, chain: chains[index] ?? "" })),
    chain: chains.at(-1) ?? "",
  };
}

/** The text that is stored. */
export const manifestText = (manifest: Manifest): string =>
  `${JSON.stringify(manifest, null, 2)}\n`;

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null;
const isHash = (value: unknown): boolean =>
  typeof value === "string" && /^[0-9a-f]{64}$/.test(value);

const isFile = (value: unknown): boolean =>
  isObject(value) &&
  // A name, and no way out of the folder.
  typeof value["name"] === "string" &&
  /^[0-9]+-[0-9]+\.jsonl\.gz$/.test(value["name"]) &&
  [value["firstPosition"], value["lastPosition"], value["count"], value["bytes"]].every(
    Number.isSafeInteger,
  ) &&
  isHash(value["sha256"]);

const hasShape = (value: unknown): value is Manifest =>
  isObject(value) &&
  value["format"] === "varve-partition/1" &&
  Array.isArray(value["files"]) &&
  value["files"].length > 0 &&
  value["files"].every(isFile) &&
  (value["previous"] === null ||
    (isObject(value["previous"]) && isHash(value["previous"]["chain"])));

/** What is wrong with a manifest as one of this partition; undefined where nothing is. */
function faultOf(manifest: Manifest, partition: Partition): string | undefined {
  const whole = manifestOf(partition, manifest.previous, manifest.files);
  if (JSON.stringify(whole) !== JSON.stringify(manifest)) {
    return "does not fit its files or the partition";
  }
  let next = partition.firstPosition ?? 0;
  for (const file of manifest.files) {
    if (file.firstPosition !== next || file.count !== file.lastPosition - next + 1) {
      return "has a gap between its files";
    }
    next = file.lastPosition + 1;
  }
  return next === (partition.lastPosition ?? 0) + 1 ? undefined : "does not end where it should";
}

/**
 * The manifest in the folder; undefined where there is none. Throws `archive-damaged` unless it is
 * whole and, where the register remembers an archive of the partition, the very one.
 */
export async function readManifest(
  folder: string,
  partition: Partition,
): Promise<StoredManifest | undefined> {
  const path = manifestPath(folder);
  const text = await readWhole(path, MANIFEST_BYTES_MAX);
  if (text === undefined) return undefined;
  const digest = sha256Of(text);
  const damaged = (what: string): VarveError =>
    new VarveError("archive-damaged", `${path} ${what}`);
  if (partition.archiveDigest !== null && digest !== partition.archiveDigest) {
    throw damaged("is not the one that the register remembers: another log's, or changed");
  }
  const manifest = parsed(text);
  if (manifest === undefined) throw damaged("is not a manifest");
  const fault = faultOf(manifest, partition);
  if (fault !== undefined) throw damaged(fault);
  return { manifest, digest };
}

function parsed(text: string): Manifest | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return hasShape(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
