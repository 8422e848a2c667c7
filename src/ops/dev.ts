/**
 * `bun run dev [--durable]`: the service with everything it needs, restarted when it changes.
 *
 * What it is. The parent of `bun src/main.ts serve`. Without DATABASE_URL it starts the embedded
 * Postgres in `.varve/postgres` with a database `varve`, and hands the service its URL.
 *
 * What it promises. A Postgres that is killed comes back on its port. A change under `src/` or `sql/`
 * restarts the service, which drains first; the database goes on. A service that ends by itself is
 * reported and waits for the next change; but where the first start finds its configuration invalid,
 * no change of a file helps, and all ends. SIGINT and SIGTERM drain the service, then stop Postgres,
 * then exit with 0; a second one ends everything at once. Postgres does not outlive us, however we
 * end (see `embedded-postgres.ts`).
 *
 * What it relies on. The service drains and exits within SHUTDOWN_TIMEOUT_MS after SIGTERM; it is
 * not killed before, for it knows best how long its work takes.
 *
 * How it fails. Exit code 78 with what to set right, if there can be no database here or the service
 * refuses its configuration at the first start; 69 if the database does not start.
 *
 * What it does not do. It neither migrates nor makes keys: the service does, in development.
 */
import { VarveError } from "#kernel/errors.ts";
import type { Logger } from "#kernel/log.ts";

import { keepDatabase } from "./dev/keep-database.ts";
import { startService } from "./dev/service.ts";
import type { Service } from "./dev/service.ts";
import { watchTree } from "./dev/watch.ts";
import { onLauncherGone } from "./embedded/launcher.ts";
import { exitCodeOf, exitCodes } from "./exit.ts";

const say = (message: string): void => void process.stderr.write(`dev: ${message}\n`);

const log: Logger = {
  debug: () => undefined,
  info: (_, message) => say(message),
  warn: (_, message) => say(message),
  error: (_, message) => say(message),
};

async function openDatabase(durable: boolean) {
  if (process.env["DATABASE_URL"]) return null;
  return keepDatabase({ durable, log }, say);
}

/** Ends the process for what the user has to set right. */
function refuse(error: unknown): never {
  if (!(error instanceof VarveError)) throw error;
  say(error.message);
  process.exit(exitCodeOf(error));
}

/** The requests to stop: how many came, and a promise of the first. */
function stopRequests(atOnce: () => void) {
  const { promise, resolve } = Promise.withResolvers<void>();
  const state = { count: 0, first: promise };
  const ask = (): void => {
    state.count += 1;
    if (state.count > 1) atOnce();
    resolve();
  };
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, ask);
  onLauncherGone(ask);
  return state;
}

function readArguments(): { readonly durable: boolean } {
  const args = process.argv.slice(2);
  if (args.every((argument) => argument === "--durable")) return { durable: args.length > 0 };
  say("usage: bun run dev [--durable]");
  process.exit(2);
}

const { durable } = readArguments();
let service: Service | undefined;
const requests = stopRequests(() => {
  service?.kill();
  // The guard sees us go and stops Postgres.
  process.exit(1);
});
const database = await openDatabase(durable).catch(refuse);
if (requests.count === 0) {
  const environment: NodeJS.ProcessEnv = { APP_ENV: "development", ...process.env };
  if (database !== null) environment["DATABASE_URL"] = database.url;
  service = startService({ command: [process.execPath, "src/main.ts", "serve"], environment, say });
  watchTree(["src", "sql"], (path) => {
    say(`${path} changed`);
    service?.restart();
  });
}
const misconfigured = service?.misconfigured.then(() => exitCodes.configuration);
const stopped = requests.first.then(() => exitCodes.done);
const exitCode = await Promise.race([stopped, misconfigured ?? stopped]);
await service?.stop();
await database?.stop();
process.exit(exitCode);
