/**
 * `bun run test [part of a path…] [-t <part of a title>] [--flag=value of bun test…]`: every test, on a Postgres of its own.
 *
 * What it is. `bun test` has no set-up before all files, so that this starts an embedded Postgres
 * in a temporary directory (or the one in the folder PG_BIN), makes the migrated template, and runs
 * `bun test` with VARVE_TEST_DATABASE_URL: first the files that can share the machine, one worker a
 * processor, then `test/e2e/`, whose processes and measurements need it for themselves.
 *
 * What it promises. The last line is `N passed, N failed`; the code is 1 if a test failed, a file
 * could not be loaded or nothing ran. The server is gone and its directory removed afterwards, also
 * after Ctrl-C and `kill -9`.
 */
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { onLauncherGone } from "#ops/embedded/launcher.ts";
import { startEmbeddedPostgres } from "#ops/embedded-postgres.ts";

import { makeTemplate } from "./database.ts";
import { addTotals, readTotals } from "./totals.ts";
import type { Totals } from "./totals.ts";

const isFlag = (argument: string): boolean => argument.startsWith("-");

/** Nothing of the surroundings may lead a test to a database that somebody needs. */
function testEnvironment(url: string): Record<string, string | undefined> {
  const kept = Object.entries(process.env).filter(
    ([name]) => !name.startsWith("PG") && !name.endsWith("DATABASE_URL"),
  );
  const bin = process.env["PG_BIN"] ?? "";
  return { ...Object.fromEntries(kept), VARVE_TEST_DATABASE_URL: url, VARVE_TEST_PG_BIN: bin };
}

async function runBunTest(args: readonly string[], url: string, signal: AbortSignal) {
  const { promise, resolve } = Promise.withResolvers<Totals>();
  const child = spawn(process.execPath, ["test", "--timeout=20000", ...args], {
    env: { ...testEnvironment(url), ...(process.stderr.isTTY ? { FORCE_COLOR: "1" } : {}) },
    stdio: ["ignore", "inherit", "pipe"],
    signal,
  });
  let stderr = "";
  child.stderr.on("data", (chunk: Buffer) => {
    stderr += chunk.toString();
    process.stderr.write(chunk);
  });
  child.on("error", () => undefined);
  child.on("close", (code) => resolve(readTotals(stderr, code)));
  return promise;
}

async function runAll(url: string, signal: AbortSignal): Promise<Totals> {
  const args = process.argv.slice(2).flatMap((argument, index, all) => {
    if (all[index - 1] === "-t") return [];
    return argument === "-t" ? [`--test-name-pattern=${all[index + 1] ?? ""}`] : [argument];
  });
  const [flags, filters] = [args.filter(isFlag), args.filter((argument) => !isFlag(argument))];
  const files = [...new Bun.Glob("test/**/*.test.ts").scanSync()]
    .filter((file) => filters.length === 0 || filters.some((filter) => file.includes(filter)))
    .toSorted()
    .map((file) => `./${file}`);
  const alone = files.filter((file) => file.startsWith("./test/e2e/"));
  const shared = files.filter((file) => !alone.includes(file));
  const totals: Totals[] = [];
  if (shared.length > 0) {
    totals.push(await runBunTest(["--parallel", ...flags, ...shared], url, signal));
  }
  if (alone.length > 0 && !signal.aborted) {
    totals.push(await runBunTest(["--isolate", ...flags, ...alone], url, signal));
  }
  return addTotals(totals);
}

const abort = new AbortController();
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.on(signal, () => abort.abort());
}
onLauncherGone(() => abort.abort());

const postgres = await startEmbeddedPostgres({
  directory: join(tmpdir(), `varve-test-${randomBytes(6).toString("hex")}`),
  temporary: true,
  bin: process.env["PG_BIN"],
});
try {
  console.log(`Postgres ${postgres.settings.version}`);
  await makeTemplate(postgres.url);
  const { passed, failed, skipped } = await runAll(postgres.url, abort.signal);
  if (skipped > 0) console.log(`${skipped} skipped`);
  if (abort.signal.aborted) console.log("interrupted");
  process.exitCode = failed > 0 || passed === 0 || abort.signal.aborted ? 1 : 0;
  console.log(`${passed} passed, ${failed} failed`);
} finally {
  await postgres.stop();
}
process.exit();
