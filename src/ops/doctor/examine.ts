/**
 * The doctor: is this installation fit to run?
 *
 * What it is. A list of checks, asked one after the other, each answered in one line with what to
 * do about it. `server-checks.ts` asks the server, `schema-checks.ts` what lies in it,
 * `archive-check.ts` the disk.
 *
 * What it promises. It leaves nothing changed, and it ends: every question has a deadline. A check that
 * fails does not keep the others from being asked; only those that need the configuration, the
 * database or its schema are left out where that is missing.
 *
 * What it relies on. The service's own configuration, pool and role: what the doctor may, the
 * service may.
 *
 * How it fails. It does not: what a check throws is its finding.
 *
 * What it does not do. It does not read the log: `history.ts` and `varve verify` do.
 */
import { VarveError } from "#kernel/errors.ts";
import { loadConfig, type Config, type Environment } from "#ops/config.ts";
import { openDatabase, poolOptions } from "#ops/database.ts";
import { exitCodeOf, type ExitCode, exitCodes } from "#ops/exit.ts";
import { openPool, type Pool } from "#store/pool.ts";
import { readServer } from "#store/server.ts";
import { safeMessage } from "#telemetry/safe-fields.ts";

import { archiveCheck } from "./archive-check.ts";
import { type Check, type Diagnosis, fail, type Finding, ok, type Patient } from "./check.ts";
import { schemaCheck, schemaChecks } from "./schema-checks.ts";
import { serverChecks } from "./server-checks.ts";

/** What was found, and how the process should end. */
export type Examination = {
  readonly diagnoses: readonly Diagnosis[];
  readonly exitCode: ExitCode;
};

/** Asks everything that can be asked. Changes nothing. */
export async function examine(environment: Environment): Promise<Examination> {
  const loaded = loadConfig(environment);
  if (!loaded.ok) {
    const faults = loaded.error.map(({ name, message }) => ({
      check: "configuration",
      ...fail(`${name} ${message}`, `set ${name}; \`varve config\` shows every setting`),
    }));
    return { diagnoses: faults, exitCode: exitCodes.configuration };
  }
  const configured = { check: "configuration", ...ok("every setting is valid") };
  const { diagnoses, exitCode } = await examineDatabase(loaded.value);
  return { diagnoses: [configured, ...diagnoses], exitCode };
}

async function examineDatabase(config: Config): Promise<Examination> {
  let database: Awaited<ReturnType<typeof openDatabase>> | undefined;
  let pool: Pool | undefined;
  try {
    database = await openDatabase(config.database);
    pool = openPool(poolOptions(database.config, { name: "doctor", size: 1 }));
    const patient = await admit({ ...config, database: database.config }, pool, {
      embedded: config.database.url === undefined,
    });
    return await examinePatient(patient);
  } catch (error) {
    const remedy = "start it, and look at DATABASE_URL, DB_SSL and the network between";
    const finding = fail(`the database does not answer: ${safeMessage(error)}`, remedy);
    return { diagnoses: [{ check: "database", ...finding }], exitCode: exitCodeOf(error) };
  } finally {
    await pool?.close(1_000);
    await database?.release();
  }
}

/** Looks at the server, and at both clocks as close together as the network allows. */
async function admit(
  config: Config,
  pool: Pool,
  { embedded }: Pick<Patient, "embedded">,
): Promise<Patient> {
  // The first call connects, which would count as travel.
  await readServer(pool);
  const sentMs = Date.now();
  const server = await readServer(pool);
  const travelMs = Date.now() - sentMs;
  const aheadMs = sentMs + travelMs / 2 - Date.parse(server.at);
  return { config, embedded, pool, server, clock: { aheadMs, plusMinusMs: travelMs / 2 + 1 } };
}

async function examinePatient(patient: Patient): Promise<Examination> {
  const diagnoses: Diagnosis[] = [{ check: "database", ...ok("it answers") }];
  let migrated = true;
  for (const check of [...serverChecks, schemaCheck, ...schemaChecks, archiveCheck]) {
    if (check.needsSchema && !migrated) continue;
    const finding = await asked(check, patient);
    if (check === schemaCheck) migrated = finding.status !== "fail";
    diagnoses.push({ check: check.name, ...finding });
  }
  const failed = diagnoses.some(({ status }) => status === "fail");
  return { diagnoses, exitCode: failed ? exitCodes.faultFound : exitCodes.done };
}

async function asked({ run }: Check, patient: Patient): Promise<Finding> {
  try {
    return await run(patient);
  } catch (error) {
    const code = error instanceof VarveError ? `${error.code}: ` : "";
    return fail(`${code}${safeMessage(error)}`, "docs/runbook.md says what the code means");
  }
}
