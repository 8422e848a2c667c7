import { verify } from "#store/verify.ts";

import { appendAll, appendTo } from "./appends.ts";
import { settleMonth } from "./months.ts";
import { openTestPool } from "./pools.ts";
import type { TestStore } from "./store.ts";

/**
 * The rows of every invariant that is broken, by its name. Durability is left out unless it is asked
 * for: a server of tests trades it away.
 */
export async function brokenIn(
  url: string,
  { durability = false, signal = new AbortController().signal } = {},
): Promise<Readonly<Record<string, readonly unknown[]>>> {
  const applicationName = `verify ${crypto.randomUUID()}`;
  const pool = openTestPool(url, { applicationName, size: 2, prepare: false });
  const broken: Record<string, readonly unknown[]> = {};
  try {
    for await (const { name, broken: total, rows } of verify(pool, { applicationName, signal })) {
      if (total !== rows.length) throw new Error(`${name} counts ${total}`);
      if (total > 0 && (durability || name !== "durability")) broken[name] = rows;
    }
  } finally {
    await pool.close(1_000);
  }
  return broken;
}

/** The id of the event at the position, in the log that `threeMonths` leaves. */
export const idAt = (position: number): string =>
  `00000000-0000-7000-8000-${String(position).padStart(12, "0")}`;

/**
 * A small log that is whole: a1 b1 a2 two months ago, a3 c1 a month ago, c2 d1 d2 now, at the
 * positions 1 to 8. Gives the names of all partitions, those of months ahead too.
 */
export async function threeMonths({ sql, pool }: TestStore): Promise<readonly string[]> {
  await settleMonth(sql, { monthsAgo: 2, streams: ["a", "b", "a"] });
  await settleMonth(sql, { monthsAgo: 1, streams: ["a", "c"] });
  await appendAll(pool, appendTo("c", 1), appendTo("d", 0, 2));
  await sql`
    update varve.events
       set event_id = ('00000000-0000-7000-8000-' || lpad(position::text, 12, '0'))::uuid`;
  const names = await sql<{ name: string }[]>`
    select name from varve.event_partitions order by lower_bound`;
  return names.map(({ name }) => name);
}
