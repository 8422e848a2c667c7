import { createHash } from "node:crypto";
import { createReadStream, createWriteStream } from "node:fs";
import { mkdir, open, readFile, rename, rm, rmdir, stat, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGunzip, createGzip } from "node:zlib";

import { VarveError } from "#kernel/errors.ts";

/** A page of lines: as many as one statement takes comfortably, and as many bytes as an append. */
export const pageOf = { lines: 1_000, bytes: 4 * 1024 * 1024 } as const;

/** No event can be larger: it came in a request of at most a few of these, as one JSON value. */
const LINE_BYTES_MAX = 64 * 1024 * 1024;

/** Of one file as it lies on disk. */
export type FileFacts = { readonly bytes: number; readonly sha256: string };

export const sha256Of = (text: string | Uint8Array): string =>
  createHash("sha256").update(text).digest("hex");

const damaged = (path: string, what: string, cause?: unknown): VarveError =>
  new VarveError("archive-damaged", `${path} ${what}`, {}, cause);

/** Turns what a disk answers into one failure: full, read-only, not there. */
export async function onDisk<Value>(path: string, work: () => Promise<Value>): Promise<Value> {
  try {
    return await work();
  } catch (error) {
    const code: unknown = error instanceof Error ? Reflect.get(error, "code") : undefined;
    if (error instanceof VarveError || typeof code !== "string" || !/^E[A-Z]+$/.test(code)) {
      throw error;
    }
    const message = `${path} cannot be used: ${code}`;
    throw new VarveError("service-unavailable", message, { reason: code }, error);
  }
}

/** Has the disk keep what was written to a file, or renamed in a folder, through a power cut. */
async function sync(path: string, flags: "r" | "r+"): Promise<void> {
  const file = await open(path, flags);
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Gives a written file its name, once all of it is on the disk. */
async function settle(part: string, path: string): Promise<void> {
  await sync(part, "r+");
  await rename(part, path);
  await sync(dirname(path), "r");
}

/** Removes folders from the lowest up to the highest, as far as they are empty. */
async function removeEmpty(lowest: string, highest: string): Promise<void> {
  try {
    for (let path = lowest; path.length >= highest.length; path = dirname(path)) await rmdir(path);
  } catch {
    // Something lies in it, which is not ours to remove.
  }
}

/** Removes the folders that were made, as far as nothing was put into them. */
type Unmake = () => Promise<void>;

/** Makes the folder, and sees that it can be written to. Leaves nothing behind where it cannot. */
async function makeFolder(folder: string): Promise<{ readonly unmake: Unmake; isNew: boolean }> {
  const path = resolve(folder);
  const highest = await mkdir(path, { recursive: true, mode: 0o700 });
  const unmake = async (): Promise<void> =>
    highest === undefined ? undefined : removeEmpty(path, highest);
  const probe = join(path, `${crypto.randomUUID()}.part`);
  try {
    await sync(dirname(path), "r");
    await writeFile(probe, "", { mode: 0o600 });
    await rm(probe);
  } catch (error) {
    await unmake();
    throw error;
  }
  return { unmake, isNew: highest !== undefined };
}

/**
 * Makes the folder of an archive, and sees that it can be written to; removes what a killed run left
 * unfinished.
 */
export async function openFolder(path: string): Promise<Unmake> {
  const { unmake } = await makeFolder(path);
  for await (const name of new Bun.Glob("*.part").scan({ cwd: path })) {
    await rm(join(path, name), { force: true });
  }
  return unmake;
}

/** Whether a folder that can be written to is there, or could be made. Throws what the disk does. */
export async function probeFolder(path: string): Promise<"there" | "can be made"> {
  const { unmake, isNew } = await makeFolder(path);
  await unmake();
  return isNew ? "can be made" : "there";
}

/** Writes pages of lines, compressed; the file has its name only once it is whole. */
export async function writeLines(
  path: string,
  pages: AsyncIterable<readonly string[]>,
): Promise<void> {
  const text = async function* () {
    for await (const page of pages) yield page.map((line) => `${line}\n`).join("");
  };
  const target = createWriteStream(`${path}.part`, { mode: 0o600 });
  await pipeline(Readable.from(text()), createGzip(), target);
  await settle(`${path}.part`, path);
}

/** Writes a small file in the same way. */
export async function writeWhole(path: string, text: string): Promise<void> {
  await pipeline(Readable.from([text]), createWriteStream(`${path}.part`, { mode: 0o600 }));
  await settle(`${path}.part`, path);
}

/** The text of a file of at most `bytesMax`; undefined where there is none. */
export async function readWhole(path: string, bytesMax: number): Promise<string | undefined> {
  const found = await stat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw error;
  });
  if (found === undefined) return undefined;
  if (found.size > bytesMax) throw damaged(path, "is too large");
  return readFile(path, "utf8");
}

/** Size and hash of a file; undefined where there is none. */
export async function factsOf(path: string): Promise<FileFacts | undefined> {
  const hash = createHash("sha256");
  let bytes = 0;
  try {
    for await (const chunk of createReadStream(path) as AsyncIterable<Buffer>) {
      hash.update(chunk);
      bytes += chunk.length;
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
  return { bytes, sha256: hash.digest("hex") };
}

/** Cuts decompressed bytes into lines, in pages; holds one page and one line at most. */
async function* linesIn(path: string, chunks: AsyncIterable<Buffer>) {
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  let rest: Buffer[] = [];
  let restBytes = 0;
  let page: string[] = [];
  let pageBytes = 0;
  for await (const chunk of chunks) {
    let from = 0;
    for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, from)) {
      const line = Buffer.concat([...rest, chunk.subarray(from, end)]);
      [rest, restBytes, from] = [[], 0, end + 1];
      page.push(decoder.decode(line));
      pageBytes += line.length;
      if (page.length >= pageOf.lines || pageBytes >= pageOf.bytes) {
        yield page;
        [page, pageBytes] = [[], 0];
      }
    }
    rest.push(chunk.subarray(from));
    restBytes += chunk.length - from;
    if (restBytes > LINE_BYTES_MAX) throw damaged(path, "has a line without an end");
  }
  if (restBytes > 0) throw damaged(path, "ends in the middle of a line");
  if (page.length > 0) yield page;
}

/**
 * The lines of a compressed file in pages. Throws `archive-damaged` before the first of them unless
 * the file is the one of these facts, so that nothing but what was written is ever decompressed.
 */
export async function* readLines(path: string, facts: FileFacts) {
  const found = await factsOf(path);
  if (found === undefined) throw damaged(path, "is not there");
  if (found.sha256 !== facts.sha256 || found.bytes !== facts.bytes) {
    throw damaged(path, "is not what was written: its hash differs");
  }
  const source = createReadStream(path);
  const plain = createGunzip();
  source.on("error", (error) => plain.destroy(error));
  try {
    yield* linesIn(path, source.pipe(plain) as AsyncIterable<Buffer>);
  } catch (error) {
    if (error instanceof VarveError) throw error;
    throw damaged(path, "cannot be decompressed", error);
  } finally {
    source.destroy();
  }
}
