import { afterAll, afterEach, beforeAll, expect, test } from "bun:test";

import { freshDatabase, type TestDatabase } from "#test/database.ts";
import { query } from "#test/support/caller.ts";
import { withSql } from "#test/support/invariants.ts";
import { randomFrom, startLoad } from "#test/support/load.ts";
import { createKey, endServices, startService } from "#test/support/service.ts";
import { until } from "#test/until.ts";

let database: TestDatabase;
beforeAll(async () => {
  database = await freshDatabase();
});
afterEach(endServices);
afterAll(() => database.drop());

/** A role that is a service's and no more, which the server lets in so often and not once more. */
async function createRole(connections: number): Promise<string> {
  const url = new URL(database.url);
  const role = `share_${connections}_${url.pathname.slice(1)}`;
  await withSql(database.url, (sql) =>
    sql.unsafe(`create role ${role} login password 'p' connection limit ${connections}
                in role varve_app`),
  );
  [url.username, url.password] = [role, "p"];
  return url.href;
}

type Counts = { readonly own: number; readonly upkeep: number };

/** Sessions of the role, and those past the pools: migrations and the upkeep of partitions. */
const countSessions = (role: string): Promise<Counts> =>
  withSql(database.url, async (sql) => {
    const [row] = await sql<Counts[]>`
      select count(*) filter (where usename = ${role})::int as own,
             count(*) filter (where application_name in ('varve migrate', 'varve partitions'))::int
               as upkeep
        from pg_stat_activity where datname = current_database()`;
    return row ?? { own: 0, upkeep: 0 };
  });

test.each([
  { instances: 1, allowed: 100, profile: "light", share: 8 },
  { instances: 2, allowed: 25, profile: "heavy", share: 10 },
])(
  "$instances instances of profile $profile keep to $share sessions each when $allowed are allowed",
  async (wish) => {
    const databaseUrl = await createRole(wish.instances * wish.share);
    const options = {
      databaseUrl,
      environment: {
        DIRECT_DATABASE_URL: database.url,
        DB_POOL_PROFILE: wish.profile,
        INSTANCE_COUNT: String(wish.instances),
        MAX_DB_CONNECTIONS: String(wish.allowed),
      },
    };
    const key = await createKey({ databaseUrl: database.url });
    const services = await Promise.all(
      Array.from({ length: wish.instances }, () => startService(options)),
    );
    const targets = services.map(({ url }) => ({ url, key }));
    const loads = targets.map((target, index) =>
      startLoad({ target: () => target, writers: 32, random: randomFrom(index), retries: 0 }),
    );
    let over = false;
    const statuses = new Set<number>();
    const readers = targets.flatMap((target) =>
      Array.from({ length: 16 }, async () => {
        while (!over) {
          const answer = await query(target, "orders?limit=20");
          statuses.add(answer.status);
          await answer.arrayBuffer();
        }
      }),
    );
    const role = new URL(databaseUrl).username;
    const seen: Counts[] = [];
    const all = wish.instances * wish.share;
    await until(
      "every place is taken, and commands are answered",
      async () => {
        seen.push(await countSessions(role));
        const answered = loads.every(({ answers }) => answers.length > 200);
        return answered && seen.some(({ own }) => own === all);
      },
      40_000,
    );
    over = true;
    await Promise.all([...readers, ...loads.map((load) => load.stop())]);
    // One session more, and the server would have refused it: a 503 here, or a word in the log.
    const refused = loads.flatMap(({ refusals }) => [...refusals.keys()]);
    expect([refused.filter((status) => Number(status) >= 500), [...statuses]]).toEqual([[], [200]]);
    expect(services.map(({ output }) => output().includes("53300"))).toEqual(
      services.map(() => false),
    );
    expect(Math.max(...seen.map(({ upkeep }) => upkeep))).toBeLessThanOrEqual(1);
    for (const service of services) expect((await service.stop()).code).toBe(0);
    await withSql(database.url, (sql) => sql.unsafe(`drop role ${role}`));
  },
  90_000,
);
