import postgres from "postgres";

import { invariant } from "#kernel/errors.ts";

const look = `
  select pg_backend_pid() as pid, now()::text as began,
         (select a.backend_xmin is not null or a.backend_xid is not null
            from pg_stat_activity a where a.pid = pg_backend_pid()) as holds`;

/**
 * Runs the work while another session holds a REPEATABLE READ transaction open in which it has run
 * the statement: a snapshot that nothing newer than itself can be cleaned up under, as a running
 * dump has it. A statement that writes gives it a transaction id as well. Throws where it was not
 * open all the time, for then nothing was measured.
 */
export async function whileHeld<Value>(
  url: string,
  statement: string,
  work: () => Promise<Value>,
): Promise<Value> {
  // The only user of its only connection, so that its statements are those of one session.
  const sql = postgres(url, {
    max: 1,
    prepare: false,
    fetch_types: false,
    onnotice: () => undefined,
    connection: { application_name: "varve bench holder" },
  });
  try {
    const ask = async (): Promise<string> => JSON.stringify(await sql.unsafe(look));
    await sql.unsafe("begin isolation level repeatable read");
    await sql.unsafe(statement);
    const opened = await ask();
    invariant(opened.includes('"holds":true'), "a session holds no snapshot");
    const value = await work();
    invariant((await ask()) === opened, "a transaction was not open all the time");
    await sql.unsafe("rollback");
    return value;
  } finally {
    await sql.end({ timeout: 1 });
  }
}
