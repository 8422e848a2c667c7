import { afterEach, beforeEach, expect, test } from "bun:test";

import { uuidv7 } from "#kernel/ids.ts";
import type { Parameter } from "#store/pool.ts";
import { anEvent, appendAll, appendTo } from "#test/support/appends.ts";
import { openStage, type Stage } from "#test/support/stage.ts";
import { upTo, versionsView } from "#test/support/watched.ts";
import { until } from "#test/until.ts";

// A roll-out: the program before this one, which knows neither fingerprints nor partitions, goes on
// beside this one on the migrated schema. These are its statements, as it sends them.

const statements = {
  ensureView: `select varve.ensure_view(
      $1, $2::integer, array(select jsonb_array_elements_text($3::text::jsonb))
    ) as made`,
  acquireLeases: `select l.subscription, l.epoch, l.position
    from varve.acquire_leases($1::uuid, $2::text::jsonb, $3::integer) l`,
  applyProjection: `select varve.apply_projection(
      $1, $2::bigint, $3::bigint, $4::bigint, $5::integer, $6::text::jsonb, $7::text::jsonb
    ) as applied`,
  readProjection: `select d.documents, coalesce((
      select jsonb_agg(distinct l.key) from varve.dead_letters l
        where l.subscription = $1 and l.partition = 0 and l.state = 'waiting'
          and l.key = any (array(select jsonb_array_elements_text($3::text::jsonb)))
    ), '[]') as waiting
    from varve.read_documents($1, array(select jsonb_array_elements_text($2::text::jsonb))) d`,
  listDocuments: `select l.position, l.documents
    from varve.list_documents($1, $2::text::jsonb, $3::boolean, $4::bigint, $5, $6::integer) l`,
  releaseLeases: "select varve.release_leases($1::uuid) as ended",
} as const;

let stage: Stage;
beforeEach(async () => {
  stage = await openStage();
});
afterEach(() => stage.close());

const before = (name: keyof typeof statements, ...parameters: readonly Parameter[]) =>
  stage.pool.query({ name: `before_${name}`, text: statements[name] }, parameters);

const view = versionsView("counts");
const runnable = JSON.stringify([{ name: "counts", version: 1 }]);

const acquire = (owner: string, durationMs = 60_000) =>
  before("acquireLeases", owner, runnable, durationMs);

/** A document as the program before writes it. */
const change = (key: string, versions: readonly number[], position: number) => ({
  key,
  document: { versions },
  firstPosition: 1,
  position,
});

type Written = {
  readonly epoch: number;
  readonly from: number;
  readonly to: number;
  readonly events: number;
  readonly changes: readonly unknown[];
  readonly letters?: readonly unknown[];
};

const apply = async ({ epoch, from, to, events, changes, letters = [] }: Written) => {
  const texts = [JSON.stringify(changes), JSON.stringify(letters)];
  const [row] = await before("applyProjection", "counts", epoch, from, to, events, ...texts);
  return row?.["applied"];
};

const checkpoint = async () => {
  const [row] = await stage.sql`
    select position::int, proof_from::int as from, taken_count::int as taken,
        events_processed::int as processed,
        taken_hash = (
          select coalesce(sum(varve.position_hash(e.position)), 0) from varve.events e
            where e.position > proof_from and e.position <= c.position
              and e.event_type = 'Happened' and e.position not in (
                select d.position from varve.dead_letters d where d.state = 'waiting')
        ) as proven
      from varve.checkpoints c`;
  return { ...row };
};

const appendOther = (version: number) =>
  appendAll(stage.pool, {
    ...appendTo("other", version),
    events: [{ ...anEvent(), type: "Unheard" }],
  });

test("program before makes its view, takes its lease, writes, reads and gives it back", async () => {
  expect(await before("ensureView", "counts", 1, '["name"]')).toEqual([{ made: true }]);
  expect(await before("ensureView", "counts", 1, '["name"]')).toEqual([{ made: false }]);
  await appendAll(stage.pool, appendTo("a", 0, 2), appendTo("b", 0, 2));
  const owner = uuidv7();
  const lease = { subscription: "counts", epoch: 1, position: 0 };
  expect([await acquire(owner), await acquire(owner)]).toEqual([[lease], [lease]]);
  // Another one of its kind waits.
  expect(await acquire(uuidv7())).toEqual([]);

  const changes = [change("a", [1, 2], 2)];
  const letters = [
    { key: "Thing-b", position: 3, errorCode: "schema-behind" },
    { key: "Thing-b", position: 4, errorCode: "behind-dead-letter" },
  ];
  const page = { epoch: 1, from: 0, to: 4, events: 2, changes, letters };
  expect([await apply(page), await apply(page)]).toEqual([true, false]);
  expect(await before("readProjection", "counts", '["a"]', '["Thing-a", "Thing-b"]')).toEqual([
    { documents: changes, waiting: ["Thing-b"] },
  ]);
  expect(await before("listDocuments", "counts", "[]", true, null, null, 10)).toEqual([
    { position: 4, documents: changes },
  ]);
  expect(await stage.letters("counts")).toEqual([
    "Thing-b 3 schema-behind waiting 1",
    "Thing-b 4 behind-dead-letter waiting 1",
  ]);
  expect(await before("releaseLeases", owner)).toEqual([{ ended: 1 }]);
});

test("both go on from each other, and what they took is proven, when they run side by side", async () => {
  // The program before was there first: nobody has said what the view wants.
  await before("ensureView", "counts", 1, "[]");
  const owner = uuidv7();
  await acquire(owner);
  await appendAll(stage.pool, appendTo("a", 0, 2));
  await appendOther(0);
  expect(
    await apply({ epoch: 1, from: 0, to: 3, events: 2, changes: [change("a", [1, 2], 2)] }),
  ).toBe(true);

  // This program starts, and waits for the lease.
  const loop = await stage.follow({ views: [view] });
  await appendAll(stage.pool, appendTo("a", 2, 2));
  await appendOther(1);
  await until("it has asked for leases", async () => {
    const rows = await stage.sql`select from varve.instances`;
    return rows.length === 2;
  });
  expect(loop.report()).toEqual([]);
  const next = { epoch: 1, from: 3, to: 6, events: 2, changes: [change("a", upTo(4), 5)] };
  expect(await apply(next)).toBe(true);
  expect(await checkpoint()).toEqual({
    position: 6,
    from: 3,
    taken: 2,
    processed: 5,
    proven: true,
  });

  // It gives its lease back, as at its end.
  await before("releaseLeases", owner);
  await appendAll(stage.pool, appendTo("a", 4, 1));
  loop.wake();
  await stage.reached("counts", 7);
  expect(await apply({ epoch: 1, from: 7, to: 7, events: 0, changes: [] })).toBe(false);
  await loop.stop();

  // And once more the other way round, as where a roll-out is taken back.
  expect(await before("ensureView", "counts", 1, "[]")).toEqual([{ made: false }]);
  const back = await acquire(owner);
  expect(back).toEqual([{ subscription: "counts", epoch: 3, position: 7 }]);
  await appendAll(stage.pool, appendTo("a", 5, 1));
  const last = { epoch: 3, from: 7, to: 8, events: 1, changes: [change("a", upTo(6), 8)] };
  expect(await apply(last)).toBe(true);
  expect(await stage.versions("counts")).toEqual({ a: upTo(6) });
  expect(await checkpoint()).toEqual({
    position: 8,
    from: 3,
    taken: 4,
    processed: 7,
    proven: true,
  });
  expect(await stage.proofFaults("counts")).toEqual([]);
});
