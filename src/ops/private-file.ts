import { link, mkdir, open, readFile, rm } from "node:fs/promises";
import { dirname } from "node:path";

const hasCode = (error: unknown, code: string): boolean =>
  error instanceof Error && "code" in error && error.code === code;

/** The text of the file, or undefined where there is none. */
export async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if (hasCode(error, "ENOENT")) return undefined;
    throw error;
  }
}

/**
 * Makes a file of mode 0600 appear whole or not at all, unless it is there: written aside, then
 * linked, which fails if another process was first. Exclusive creation alone would show a
 * half-written file to the loser.
 */
export async function publishOnce(path: string, text: string): Promise<void> {
  // Others may pass through, because the embedded database runs as another user when we are root.
  await mkdir(dirname(path), { recursive: true, mode: 0o711 });
  const aside = `${path}.${crypto.randomUUID()}`;
  try {
    const file = await open(aside, "wx", 0o600);
    await file.writeFile(text);
    await file.sync();
    await file.close();
    await link(aside, path);
  } catch (error) {
    if (!hasCode(error, "EEXIST")) throw error;
  } finally {
    await rm(aside, { force: true });
  }
}
