import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import type postgres from "postgres";

import type { CommandOutcome } from "#command/handle.ts";
import { limits } from "#kernel/limits.ts";
import { createGroupCommit } from "#store/group-commit.ts";
import { expireIdempotency, recordUnchanged } from "#store/idempotency.ts";
import type { Pool } from "#store/pool.ts";
import { startHousekeeping } from "#subscription/housekeeping.ts";
import { freshDatabase, type TestDatabase } from "#test/database.ts";
import { appendAll, appendTo } from "#test/support/appends.ts";
import { openTestKeyring } from "#test/support/keyrings.ts";
import { logFaults } from "#test/support/log-faults.ts";
import { closeNewestMonth } from "#test/support/months.ts";
import { createBody, openHandler, request } from "#test/support/orders.ts";
import { openSql, openTestPool } from "#test/support/pools.ts";
import { switches } from "#test/support/switches.ts";
import { until } from "#test/until.ts";

let database: TestDatabase;
let sql: postgres.Sql;
beforeAll(async () => {
  database = await freshDatabase();
  sql = openSql(database.url);
});
afterAll(async () => {
  await sql.end({ timeout: 1 });
  await database.drop();
});

/** An instance of the service, as far as commands go. */
async function openInstance() {
  const pool = openTestPool(database.url);
  const groupCommit = createGroupCommit(pool);
  const { handle } = openHandler(pool, await openTestKeyring(pool), groupCommit);
  return {
    pool,
    turn: (id: string, on: boolean, key: string): Promise<CommandOutcome> =>
      handle({
        ...request(id, "turn", { on }),
        aggregate: switches,
        idempotency: { principal: "key:a", key },
      }),
    close: async (): Promise<void> => {
      await groupCommit.drain();
      await pool.close(1_000);
    },
  };
}

type Instance = Awaited<ReturnType<typeof openInstance>>;
let one: Instance;
let other: Instance;
beforeEach(async () => {
  [one, other] = await Promise.all([openInstance(), openInstance()]);
});
afterEach(async () => {
  await Promise.all([one.close(), other.close()]);
});

const again = (outcome: CommandOutcome): CommandOutcome =>
  outcome.kind === "accepted" ? { ...outcome, replayed: true } : outcome;

describe("a key that comes again", () => {
  test("it has the first answer when the stream went on and the process is another", async () => {
    const first = await one.turn("restarted", true, "k-restarted");
    await one.turn("restarted", false, "k-restarted-off");
    await one.close();
    one = await openInstance();
    expect(first).toMatchObject({ kind: "accepted", version: 1, events: [{ version: 1 }] });
    expect([
      await one.turn("restarted", true, "k-restarted"),
      await other.turn("restarted", true, "k-restarted"),
    ]).toEqual([again(first), again(first)]);
  });

  test("it has one answer when two instances get it at the same moment", async () => {
    for (let round = 0; round < 20; round += 1) {
      const asked = [one, other].map((instance) =>
        instance.turn(`both-${round}`, true, `b-${round}`),
      );
      const outcomes = await Promise.all(asked);
      const [first] = outcomes.filter(
        (outcome) => outcome.kind === "accepted" && !outcome.replayed,
      );
      if (first === undefined) throw new Error("one of them is the first");
      const second = outcomes.find((outcome) => outcome !== first);
      expect(second).toEqual(again(first));
    }
    const rows = await sql`select count(*)::int as events from varve.events
      where aggregate_id like 'both-%'`;
    expect([...rows]).toEqual([{ events: 20 }]);
  });

  test("it has the first answer when another instance was faster and leaves nothing to do", async () => {
    const keyring = await openTestKeyring(one.pool);
    for (const create of [
      request("raced", "create", createBody),
      request("raced-expected", "create", createBody, 0),
    ]) {
      const groupCommit = createGroupCommit(one.pool);
      const asked = { ...create, idempotency: { principal: "key:a", key: create.aggregateId } };
      let first: CommandOutcome | undefined;
      const { handle } = openHandler(one.pool, keyring, {
        ...groupCommit,
        append: async (append) => {
          first ??= await openHandler(other.pool, keyring).handle(asked);
          return groupCommit.append(append);
        },
      });
      const second = await handle(asked);
      expect(first).toMatchObject({ kind: "accepted", version: 1, replayed: false });
      expect(second).toEqual(again(first as CommandOutcome));
      await groupCommit.drain();
    }
  });

  test("it stands for nothing yet when its command was rejected", async () => {
    const worn = [appendTo("worn", 0)].map((append) => ({
      ...append,
      aggregateType: "Switch",
      events: Array.from({ length: 100 }, (_, n) => ({
        ...append.events[0],
        id: crypto.randomUUID(),
        type: "Turned",
        payload: { on: n % 2 === 0 },
      })),
    }));
    await sql`select varve.append_events(${JSON.stringify(worn)}::text::jsonb)`;
    expect((await one.turn("worn", true, "k-worn")).kind).toBe("rejected");
    const keys = await sql`select from varve.idempotency where aggregate_id = 'worn'`;
    expect(keys.length).toBe(0);
    expect(await one.turn("new", true, "k-worn")).toMatchObject({ kind: "accepted", version: 1 });
  });
});

describe("a command that changes nothing", () => {
  const nothing = (version: number, position: number, replayed: boolean): CommandOutcome => ({
    kind: "accepted",
    version,
    position,
    events: [],
    replayed,
  });

  test("it is answered as the first time when it would change something now", async () => {
    const off = await one.turn("quiet", true, "k-on");
    if (off.kind !== "accepted") throw new Error("it is accepted");
    const { position } = off;
    expect(await one.turn("quiet", true, "k-quiet")).toEqual(nothing(1, position, false));
    await one.turn("quiet", false, "k-off");
    expect([
      await one.turn("quiet", true, "k-quiet"),
      await other.turn("quiet", true, "k-quiet"),
    ]).toEqual([nothing(1, position, true), nothing(1, position, true)]);
    expect((await one.turn("quiet", false, "k-quiet")).kind).toBe("idempotency-key-reused");
    expect(await one.turn("quiet", true, "k-quiet-2")).toMatchObject({ version: 3 });
  });

  test("it is answered as the first time when there was no stream", async () => {
    expect(await one.turn("unmade", false, "k-unmade")).toEqual(nothing(0, 0, false));
    await one.turn("unmade", true, "k-made");
    expect(await other.turn("unmade", false, "k-unmade")).toEqual(nothing(0, 0, true));
    const rows =
      await sql`select fingerprint ~ '[{]|turn' as body, from_version::int, to_version::int
      from varve.idempotency where aggregate_id = 'unmade' order by to_version`;
    expect([...rows]).toEqual([
      { body: false, from_version: 1, to_version: 0 },
      { body: false, from_version: 1, to_version: 1 },
    ]);
  });

  test("its key is nobody else's when an append brings it as well", async () => {
    const idempotency = { principal: "key:a", key: "k-either", fingerprint: "f" };
    const stream = { aggregateType: "Thing", aggregateId: "either", version: 0 };
    expect([
      await recordUnchanged(one.pool, idempotency, stream),
      await recordUnchanged(other.pool, idempotency, stream),
      await appendAll(other.pool, { ...appendTo("either", 0), idempotency }),
    ]).toEqual([true, false, [{ outcome: "replayed" }]]);
    expect((await sql`select from varve.streams where aggregate_id = 'either'`).length).toBe(0);
  });

  test("one of many records it when instances get its key at the same moment", async () => {
    for (let round = 0; round < 20; round += 1) {
      const outcomes = await Promise.all(
        [one, other].map((instance) => instance.turn(`still-${round}`, false, `s-${round}`)),
      );
      const replays = outcomes.map((outcome) => outcome.kind === "accepted" && outcome.replayed);
      expect(new Set(replays)).toEqual(new Set([false, true]));
    }
  });
});

describe("a change of month", () => {
  test("key has the first answer when the months of its events are over", async () => {
    const answers: CommandOutcome[] = [];
    for (const month of [0, 1]) {
      answers.push(await one.turn("moved", month === 0, `m-${month}`));
      answers.push(await one.turn("moved", month === 0, `m-${month}-same`));
      await closeNewestMonth(sql);
    }
    answers.push(await one.turn("moved", true, "m-2"));
    const replays = [
      await other.turn("moved", true, "m-0"),
      await other.turn("moved", true, "m-0-same"),
      await other.turn("moved", false, "m-1"),
      await other.turn("moved", false, "m-1-same"),
      await other.turn("moved", true, "m-2"),
    ];
    expect(replays).toEqual(answers.map(again));
    const months = await sql`select count(distinct tableoid)::int as months from varve.events
      where aggregate_id = 'moved'`;
    expect([...months]).toEqual([{ months: 3 }]);
    expect(await logFaults(sql)).toEqual([]);
  });

  test("append has the first result when it is repeated in a later month", async () => {
    const asks = [appendTo("exact", 0, 3), appendTo("any", null, 2), appendTo("keyed", null, 1)];
    const idempotency = { principal: "key:a", key: "k-month", fingerprint: "f" };
    const keyed = asks.map((ask, index) => (index === 2 ? { ...ask, idempotency } : ask));
    const first = await appendAll(one.pool, ...keyed);
    await closeNewestMonth(sql);
    await appendAll(one.pool, appendTo("exact", 3), appendTo("any", null), appendTo("keyed", 1, 2));
    const repeated = await appendAll(other.pool, ...keyed);
    expect(first.map(({ outcome }) => outcome)).toEqual(["appended", "appended", "appended"]);
    expect(repeated).toEqual(
      first.map((outcome) => ({ ...outcome, outcome: "already" }) as (typeof first)[number]),
    );
  });
});

describe("expiry", () => {
  const plant = (count: number, age: string) => sql`
    insert into varve.idempotency (principal, key, fingerprint, aggregate_type, aggregate_id,
        from_version, to_version, created_at)
      select ${`key:${age}`}, n::text, 'f', 'Thing', 'planted', 1, 1, now() - ${age}::interval
        from generate_series(1, ${count}::int) n`;
  const planted = async () => {
    const rows = await sql<{ principal: string; rows: number }[]>`
      select principal, count(*)::int as rows from varve.idempotency
        where aggregate_id = 'planted' group by 1 order by 1`;
    return rows.map(({ principal, rows: count }) => [principal, count]);
  };

  test("old keys go in bounded batches, and young ones stay, when it is time", async () => {
    await plant(2 * limits.idempotencyExpired + 5, "25 hours");
    await plant(7, "23 hours");
    const gone: number[] = [];
    const query: Pool["query"] = async (...call) => {
      const rows = await one.pool.query(...call);
      gone.push(Number(rows[0]?.["expired"]));
      return rows as never;
    };
    const silent = (): void => undefined;
    const log = { debug: silent, info: silent, warn: silent, error: silent };
    const stop = startHousekeeping({ ...one.pool, query }, log, 20);
    await until("the old ones are gone", async () => (await planted()).length === 1);
    stop();
    expect(await planted()).toEqual([["key:23 hours", 7]]);
    const { idempotencyExpired } = limits;
    expect(gone.slice(0, 3)).toEqual([idempotencyExpired, idempotencyExpired, 5]);
  });

  test("no key goes when only a clock that is not believed says that it is old", async () => {
    const [pool, options] = [one.pool, { ageMs: 82_800_000 - 60_000, limit: 100 }];
    const before = await planted();
    const behind = (hours: number) => (): number => Date.now() - hours * 3_600_000;
    expect(await expireIdempotency(pool, { ...options, clock: behind(2) })).toBe(0);
    expect(await planted()).toEqual(before);
    expect(await expireIdempotency(pool, { ...options, clock: behind(0.5) })).toBe(7);
  });

  test("key is a new one when it has expired", async () => {
    const first = await one.turn("expired", true, "k-expired");
    await sql`update varve.idempotency set created_at = now() - interval '25 hours'
      where aggregate_id = 'expired'`;
    await expireIdempotency(one.pool, { ageMs: limits.idempotencyAgeMs, limit: 10 });
    expect(await one.turn("expired", true, "k-expired")).toMatchObject({
      kind: "accepted",
      version: 1,
      events: [],
      replayed: false,
    });
    expect(first).toMatchObject({ version: 1, replayed: false });
  });
});
