import type postgres from "postgres";

import { until } from "#test/until.ts";

import { openSql } from "./pools.ts";
import { runVerb, spawnVerb, type ProcessOptions } from "./service.ts";

/** A transaction of somebody else that has run the statement, and stays open until it is released. */
export async function holdOpen(url: string, statement: string): Promise<() => Promise<void>> {
  const sql = openSql(url);
  const held = Promise.withResolvers<void>();
  const released = Promise.withResolvers<void>();
  const done = sql.begin(async (tx) => {
    await tx.unsafe(statement);
    held.resolve();
    await released.promise;
  });
  await Promise.race([held.promise, done]);
  return async () => {
    released.resolve();
    await done;
    await sql.end({ timeout: 1 });
  };
}

/** Whether a session of the command line waits for a lock with that word in its statement. */
export async function waitsWith(sql: postgres.Sql, word: string): Promise<boolean> {
  const rows = await sql`
    select 1 from pg_stat_activity
     where datname = current_database() and application_name = 'varve partitions'
       and state = 'active' and wait_event_type = 'Lock' and query ilike ${`%${word}%`}`;
  return rows.length > 0;
}

/** Starts a verb and kills it as soon as the condition holds. Throws where it ends before. */
export async function killWhen(
  verb: readonly string[],
  options: ProcessOptions,
  condition: () => Promise<boolean> | boolean,
): Promise<void> {
  const { child, exited, stderr } = spawnVerb(verb, options);
  await until(
    `it is time to kill ${verb.join(" ")}`,
    async () => {
      if (child.exitCode !== null) throw new Error(`it ended before: ${stderr()}`);
      return condition();
    },
    20_000,
  );
  child.kill("SIGKILL");
  const { signal } = await exited;
  if (signal !== "SIGKILL") throw new Error(`it ended before it was killed: ${stderr()}`);
}

/** The time of a killed process's lease is over, without the wait. */
export async function leaseEnds(sql: postgres.Sql): Promise<void> {
  await sql`update varve.leases set expires_at = '-infinity' where subscription = '$partitions'`;
}

/** Runs a verb again while it answers 75; the rest of its answers are the caller's to judge. */
export async function runAgain(verb: readonly string[], options: ProcessOptions) {
  const again = async () => {
    const ended = await runVerb(verb, options);
    return ended.code === 75 ? null : ended;
  };
  return until(`${verb.join(" ")} may run`, again, 30_000);
}
