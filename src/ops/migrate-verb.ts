import type { Target } from "#store/dial.ts";
import { migrate, migrationStatus } from "#store/migrate.ts";

import { defineVerb } from "./cli-arguments.ts";
import { requireConfig } from "./config.ts";
import { migrationTarget, openDatabase } from "./database.ts";
import { type ExitCode, exitCodes } from "./exit.ts";
import { writeLine } from "./output.ts";

async function onTarget<Value>(work: (target: Target) => Promise<Value>): Promise<Value> {
  const database = await openDatabase(requireConfig(process.env).database);
  try {
    return await work(migrationTarget(database.config));
  } finally {
    await database.release();
  }
}

const status = defineVerb({
  name: "status",
  description: "Show what is applied, pending, edited or unknown; exit 1 unless all is applied",
  run: async (args): Promise<ExitCode> => {
    const files = await onTarget(migrationStatus);
    if (args.json) writeLine(JSON.stringify(files));
    else {
      for (const { kind, name, state, appliedAt } of files) {
        writeLine(
          `${state.padEnd(8)} ${kind.padEnd(9)} ${name.padEnd(24)} ${appliedAt ?? ""}`.trimEnd(),
        );
      }
    }
    return files.every(({ state }) => state === "applied") ? exitCodes.done : exitCodes.faultFound;
  },
});

/** `varve migrate [status]`: brings the database to this program's schema. Idempotent. */
export const migrateVerb = defineVerb({
  name: "migrate",
  description: "Apply pending migrations and changed functions",
  verbs: { status: () => Promise.resolve(status) },
  run: async (args): Promise<void> => {
    const applied = await onTarget(migrate);
    if (args.json) writeLine(JSON.stringify({ applied }));
    else writeLine(applied.length === 0 ? "nothing to apply" : `applied ${applied.join(", ")}`);
  },
});
