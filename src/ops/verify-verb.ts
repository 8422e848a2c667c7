import { migrationStatus } from "#store/migrate.ts";
import { openPool } from "#store/pool.ts";
import { verify, type Verdict } from "#store/verify.ts";

import { defineVerb } from "./cli-arguments.ts";
import { type Config, requireConfig } from "./config.ts";
import { migrationTarget, openDatabase, poolOptions } from "./database.ts";
import { type ExitCode, exitCodes } from "./exit.ts";
import { catchInterrupts } from "./interrupts.ts";
import { progressLine, writeLine } from "./output.ts";

/** A statement that reads a log of hundreds of millions; whoever waits can end it. */
const STATEMENT_MS = 6 * 60 * 60_000;

type Hooks = {
  readonly signal: AbortSignal;
  readonly onVerdict: (verdict: Verdict) => void;
  readonly onStep: (name: string, part: number) => void;
};

/** Without its tables nothing else can be asked, so that this comes first. */
async function verifyMigrations(config: Config["database"]): Promise<Verdict> {
  const files = await migrationStatus(migrationTarget(config));
  const rows = files.filter(({ state }) => state === "pending" || state === "edited");
  return {
    name: "migrations",
    says: "every migration and function of this program is applied, and none was edited",
    severity: "fault",
    broken: rows.length,
    rows,
  };
}

/** A row of the verdict on migrations. */
const fileOf = (row: unknown) => row as { readonly kind: string; readonly state: string };

const lacksTables = ({ rows }: Verdict): boolean =>
  rows.map(fileOf).some(({ kind, state }) => kind === "migration" && state === "pending");

/** Tells every verdict as it is known. Throws what the database does. */
async function verifyDatabase(config: Config, { signal, onVerdict, onStep }: Hooks): Promise<void> {
  const database = await openDatabase(config.database);
  try {
    const migrations = await verifyMigrations(database.config);
    onVerdict(migrations);
    if (lacksTables(migrations)) return;
    const options = {
      ...poolOptions(database.config, { name: `verify ${crypto.randomUUID()}`, size: 2 }),
      statementTimeoutMs: STATEMENT_MS,
      // Each statement is planned for its own bounds.
      prepare: false,
    };
    const pool = openPool(options);
    try {
      const { applicationName } = options;
      for await (const verdict of verify(pool, { applicationName, signal, onStep })) {
        onVerdict(verdict);
      }
    } finally {
      await pool.close(1_000);
    }
  } finally {
    await database.release();
  }
}

type Judged = Verdict & { readonly status: "ok" | "warn" | "fail" };

function judge(verdict: Verdict, production: boolean): Judged {
  const tolerated = verdict.severity === "fault-in-production" && !production;
  if (verdict.broken === 0) return { ...verdict, status: "ok" };
  return { ...verdict, status: tolerated ? "warn" : "fail" };
}

const marks = { ok: "ok  ", warn: "warn", fail: "FAIL" } as const;

/** What is said below a verdict: its rows, but files that are pending have one remedy for all. */
function linesBelow({ name, rows }: Verdict): readonly string[] {
  const isPending = (row: unknown) => name === "migrations" && fileOf(row).state === "pending";
  const pending = rows.filter(isPending).length;
  const are = pending === 1 ? "file is" : "files are";
  return [
    ...(pending === 0 ? [] : [`${pending} ${are} pending: run \`varve migrate\``]),
    ...rows.filter((row) => !isPending(row)).map((row) => JSON.stringify(row)),
  ];
}

function print(judged: Judged): void {
  const { name, says, status, broken, rows } = judged;
  progressLine.clear();
  writeLine(`${marks[status]} ${name.padEnd(17)} ${says}`);
  for (const line of linesBelow(judged)) writeLine(`     ${line}`);
  if (broken > rows.length) writeLine(`     … ${broken} rows in all`);
}

/** The step that is being taken, for who watches; a log has the verdicts. */
function showStep(name: string, part: number): void {
  if (process.stderr.isTTY) progressLine.say(`verifying ${name} ${part}`);
}

/** `varve verify`: every invariant, and the rows that break one. Changes nothing. */
export const verifyVerb = defineVerb({
  name: "verify",
  description: "Look for whatever breaks an invariant; exit 1 with the rows that do",
  run: async ({ json }): Promise<ExitCode> => {
    const config = requireConfig(process.env);
    const { signal, release } = catchInterrupts();
    const invariants: Judged[] = [];
    const onVerdict = (verdict: Verdict): void => {
      const judged = judge(verdict, config.production);
      invariants.push(judged);
      if (json !== true) print(judged);
    };
    const onStep = json === true ? () => undefined : showStep;
    try {
      await verifyDatabase(config, { signal, onVerdict, onStep });
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      progressLine.clear();
      release();
    }
    const broken = invariants.filter(({ status }) => status === "fail").map(({ name }) => name);
    const ok = broken.length === 0;
    const interrupted = signal.aborted;
    if (json === true)
      writeLine(JSON.stringify({ ok: ok && !interrupted, interrupted, invariants }));
    // The verdict may have been printed hours ago, and a screen or a log may show the end alone.
    else if (!ok) writeLine(`broken: ${broken.join(", ")}`);
    if (interrupted && json !== true)
      process.stderr.write("interrupted: the rest was not looked at\n");
    if (interrupted) return exitCodes.interrupted;
    return ok ? exitCodes.done : exitCodes.faultFound;
  },
});
