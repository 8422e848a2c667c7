import { aggregates } from "#domain/registry.ts";
import { publishedBy, reactorsOf, viewsOf } from "#subscription/declare.ts";
import { migrationTarget } from "#ops/database.ts";
import { keysOf } from "#ops/development-keys.ts";
import { checkKeys } from "#ops/open-keyring.ts";
import { partitionHealth } from "#query/partition-health.ts";
import { readHealth } from "#store/health.ts";
import { type MigrationState, migrationStatus } from "#store/migrate.ts";

import { type Check, fail, type Finding, ok, type Patient, warn } from "./check.ts";

const gibibyte = 1024 ** 3;

/** What this program runs: of publications those that have a target. */
const runBy = ({ config }: Patient): ReadonlySet<string> =>
  new Set(
    [
      ...viewsOf(aggregates),
      ...reactorsOf(aggregates),
      ...publishedBy(aggregates, config.delivery.targets),
    ].map(({ name }) => name),
  );

const health = ({ pool, config }: Patient) =>
  readHealth(pool, Date.now, config.database.statementTimeoutMs);

async function schema({ config }: Patient): Promise<Finding> {
  const files = await migrationStatus(migrationTarget(config.database));
  const named = (state: MigrationState): readonly string[] =>
    files.flatMap((file) => (file.state === state ? [file.name] : []));
  const [edited, pending, newer] = [named("edited"), named("pending"), named("unknown")];
  if (edited.length > 0) {
    const remedy = "run the program that applied them; a migration is never edited";
    return fail(`edited after they were applied: ${edited.join(", ")}`, remedy);
  }
  if (pending.length > 0) {
    return fail(`${pending.length} files are pending, first ${pending[0]}`, "run `varve migrate`");
  }
  if (newer.length === 0) return ok("every migration and function is applied");
  return warn(`a newer program has applied ${newer.join(", ")}`, "finish the roll-out");
}

function rights({ embedded, server }: Patient): Finding {
  if (server.mayAppend === null) {
    return warn("there is no varve.append_events yet", "run `varve migrate`");
  }
  if (!server.mayAppend) {
    return fail(
      "this role may not call varve.append_events",
      "grant varve_app to the role of DATABASE_URL",
    );
  }
  if (server.mayInsert !== true) return ok("this role writes through the functions alone");
  if (embedded) return ok("the embedded database has one user, which owns it");
  const who = server.superuser ? "a superuser" : server.owner === true ? "the owner" : "a role";
  return warn(
    `the service connects as ${who} and could write past the functions`,
    "use a role that is only granted varve_app, and DIRECT_DATABASE_URL for migrations",
  );
}

async function partitions(patient: Patient): Promise<Finding> {
  const { status, report } = partitionHealth((await health(patient)).partitions);
  const { attached, nextMissing, preparedUntil, reason } = report;
  if (status === "healthy") {
    return ok(`${attached} attached; the next to be made is ${nextMissing}, for ${preparedUntil}`);
  }
  const remedy = "run `varve partitions ensure`, and see why the worker does not";
  return (status === "degraded" ? warn : fail)(reason ?? status, remedy);
}

async function workers(patient: Patient): Promise<Finding> {
  const { subscriptions } = await health(patient);
  const idle = subscriptions.filter(({ leased }) => !leased).map(({ name }) => name);
  if (idle.length === 0) return ok(`${subscriptions.length} subscriptions have a worker`);
  const known = runBy(patient);
  const found = [
    {
      names: idle.filter((name) => known.has(name)),
      says: "nobody works for",
      remedy: "start the service; if it runs, its log says why its worker does not",
    },
    {
      names: idle.filter((name) => !known.has(name)),
      says: "this program does not run",
      remedy:
        "finish the roll-out, give a publication its target, or take it away (docs/runbook.md)",
    },
  ].filter(({ names }) => names.length > 0);
  return warn(
    found.map(({ says, names }) => `${says} ${names.join(", ")}`).join("; "),
    found.map(({ remedy }) => remedy).join("; "),
  );
}

async function masterKeys({ config, pool }: Patient): Promise<Finding> {
  await checkKeys(await keysOf(config), pool);
  return ok("the master keys open what the database holds");
}

const size = ({ server }: Patient): Finding =>
  ok(`the database has ${(server.sizeBytes / gibibyte).toFixed(2)} GiB; its disk is not seen here`);

/** Where it fails, nothing that needs the schema is asked. */
export const schemaCheck: Check = { name: "schema", needsSchema: false, run: schema };

/** What can be asked of a migrated database. */
export const schemaChecks: readonly Check[] = [
  { name: "rights", needsSchema: false, run: rights },
  { name: "partitions", needsSchema: true, run: partitions },
  { name: "keys", needsSchema: true, run: masterKeys },
  { name: "workers", needsSchema: true, run: workers },
  { name: "size", needsSchema: false, run: size },
];
