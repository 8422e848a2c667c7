import { afterEach, beforeEach, describe, expect, test } from "bun:test";

import { createHealth, type ProcessView } from "#query/health.ts";
import { recordUpkeep } from "#store/partitions/register.ts";
import { archive, archiveFolder, openTables, settleThreeMonths } from "#test/support/archives.ts";
import { closeStore, openStore, type TestStore } from "#test/support/store.ts";

let store: TestStore;
beforeEach(async () => {
  store = await openStore();
});
afterEach(() => closeStore(store));

const running: ProcessView = {
  startedAtMs: 0,
  draining: false,
  worker: { state: "running", silentMs: 0, crashes: 0 },
};

const health = () => createHealth(store.pool, () => running, Date.now);

/** Bounds and names of months from this one on. */
async function months(): Promise<readonly { name: string; from: string }[]> {
  return store.sql<{ name: string; from: string }[]>`
    select to_char(m.at, '"events_"YYYY_MM') as name,
           to_char(m.at, 'YYYY-MM-DD"T"HH24:MI:SS"Z"') as from
      from generate_series(0, 5) g (n)
      cross join lateral (
        select date_trunc('month', now() at time zone 'UTC') + make_interval(months => g.n)
      ) m (at) order by 1`;
}

/** Moves the whole register, so that the first missing month begins that far from now. */
async function missingIn(interval: string): Promise<void> {
  await store.sql`
    with last as (select max(upper_bound) as at from varve.event_partitions)
    update varve.event_partitions p
      set lower_bound = case when p.upper_bound = last.at then p.lower_bound - interval '1 year'
            else p.lower_bound - interval '10 years' end,
          upper_bound = case when p.upper_bound = last.at
            then clock_timestamp() + ${interval}::interval else p.upper_bound - interval '10 years' end
      from last`;
}

describe("health of the partitions", () => {
  test("report names the first missing month when all is well", async () => {
    const [now, , , ahead, missing] = await months();
    const report = await health().report();
    expect([report.status, report.partitions]).toEqual([
      "healthy",
      {
        attached: 4,
        newest: ahead?.name,
        closed: 0,
        archived: 0,
        underWay: [],
        nextMissing: missing?.name,
        preparedUntil: missing?.from,
        maintenance: null,
        reason: null,
      },
    ]);
    expect(now?.name.length).toBe("events_2026_01".length);
  });

  test("report names the hole when later months are there", async () => {
    const all = await months();
    await store.sql`delete from varve.event_partitions where name = ${all[2]?.name ?? ""}`;
    expect((await health().report()).partitions).toMatchObject({
      newest: all[3]?.name,
      nextMissing: all[2]?.name,
      preparedUntil: all[2]?.from,
    });
    await store.sql`delete from varve.event_partitions where name = ${all[0]?.name ?? ""}`;
    const report = await health().report();
    expect(report.status).toBe("unhealthy");
    expect(report.partitions).toMatchObject({ nextMissing: all[0]?.name });
  });

  test("readiness ends a day before a month is missed, and health is degraded a week before", async () => {
    const said: unknown[] = [];
    for (const interval of ["8 days", "6 days 23 hours", "25 hours", "23 hours", "-1 hour"]) {
      await missingIn(interval);
      const { status, partitions } = await health().report();
      const { ready, reason } = await health().readiness();
      const missing = `partition ${String(partitions["nextMissing"])} is missing`;
      said.push([interval, status, ready, reason.startsWith(missing) ? "missing" : reason]);
    }
    expect(said).toEqual([
      ["8 days", "healthy", true, "ok"],
      ["6 days 23 hours", "degraded", true, "ok"],
      ["25 hours", "degraded", true, "ok"],
      ["23 hours", "unhealthy", false, "missing"],
      ["-1 hour", "unhealthy", false, "missing"],
    ]);
  });

  test("report is degraded when the upkeep fails, and says how often", async () => {
    await recordUpkeep(store.pool, "service-unavailable");
    await recordUpkeep(store.pool, "service-unavailable");
    const failing = await health().report();
    await recordUpkeep(store.pool, "not-owner");
    const notOwner = await health().report();
    await recordUpkeep(store.pool, null);
    const well = await health().report();
    const lastRunAt: unknown = expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]{15}Z$/);
    const told = ({ status, partitions }: typeof well) => [
      status,
      partitions["maintenance"],
      partitions["reason"],
    ];
    expect([failing, notOwner, well].map(told)).toEqual([
      [
        "degraded",
        { lastRunAt, lastError: "service-unavailable", failures: 2 },
        "upkeep: service-unavailable",
      ],
      ["healthy", { lastRunAt, lastError: "not-owner", failures: 3 }, "upkeep: not-owner"],
      ["healthy", { lastRunAt, lastError: null, failures: 0 }, null],
    ]);
  });

  test("report tells the lag of a view when its next event is archived", async () => {
    const [first] = await settleThreeMonths(store.sql);
    const direct = openTables(store.database.url);
    await archive(direct, first, archiveFolder());
    await direct.close(1_000);
    await store.sql`insert into varve.checkpoints (subscription, last_progress_at)
      values ('late', now() - interval '1 hour')`;
    await store.sql`insert into varve.leases (subscription, owner, epoch, expires_at)
      values ('late', gen_random_uuid(), 1, now() + interval '1 minute')`;
    const report = await health().report();
    expect(report.partitions).toMatchObject({ archived: 1, closed: 2, underWay: [] });
    const [late] = report.subscriptions;
    expect([late?.state, late?.lagEvents]).toEqual(["stalled", 52]);
    expect(late?.lagSeconds).toBeGreaterThan(50 * 86_400);
  });
});
