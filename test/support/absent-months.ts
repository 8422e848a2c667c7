import type postgres from "postgres";

type Entry = {
  readonly name: string;
  readonly state: string;
  readonly lower: string;
  readonly upper: string;
};

/**
 * Leaves exactly the named months out of the log: their partitions are detached, and the register
 * says that they are archived. All others are attached.
 */
export async function archiveOnly(sql: postgres.Sql, names: readonly string[]): Promise<void> {
  const register = await sql<Entry[]>`
    select name, state, lower_bound::text as lower, upper_bound::text as upper
      from varve.event_partitions`;
  for (const { name, state, lower, upper } of register) {
    const isWanted = names.includes(name);
    if (isWanted === (state === "archived")) continue;
    const bounds = `for values from ('${lower}') to ('${upper}')`;
    await sql.unsafe(
      `alter table varve.events ${isWanted ? "detach" : "attach"} partition varve.${name} ${isWanted ? "" : bounds}`,
    );
    await sql`
      update varve.event_partitions
         set state = ${isWanted ? "archived" : "attached"},
           last_position =
             coalesce(last_position, (select max(position) from ${sql(`varve.${name}`)}))
       where name = ${name}`;
  }
}
