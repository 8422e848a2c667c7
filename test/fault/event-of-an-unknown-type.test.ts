import { afterEach, beforeEach, expect, test } from "bun:test";

import { anEvent, appendAll, appendTo } from "#test/support/appends.ts";
import { openStage, type Stage } from "#test/support/stage.ts";
import { meetingReactor, upTo, versionsView } from "#test/support/watched.ts";
import { until } from "#test/until.ts";

let stage: Stage;
beforeEach(async () => {
  stage = await openStage();
});
afterEach(() => stage.close());

const wanting = { events: ["Happened", "Unheard"] };

/** An event that no aggregate of the program declares. */
const unheard = () => ({ ...anEvent(), type: "Unheard" });

const appendUnheard = (aggregateId: string, expectedVersion: number) =>
  appendAll(stage.pool, { ...appendTo(aggregateId, expectedVersion), events: [unheard()] });

test("event of an unknown type passes those that do not want it, and is put aside by those that do", async () => {
  const { pool } = stage;
  const met: string[] = [];
  const views = [versionsView("others"), versionsView("wants", () => undefined, wanting)];
  const reactors = [
    meetingReactor(
      "calls",
      ({ aggregateId, version }) => void met.push(`${aggregateId} ${version}`),
      wanting,
    ),
  ];
  await appendAll(pool, appendTo("a", 0, 2), appendTo("b", 0, 1));
  await appendUnheard("a", 2);
  await appendAll(pool, appendTo("a", 3, 1), appendTo("b", 1, 2));
  const loop = await stage.follow({ views, reactors });
  for (const name of ["others", "wants", "calls"]) await stage.reached(name, 7);
  await until("all are live", loop.isLive);
  expect(await stage.versions("others")).toEqual({ a: [1, 2, 4], b: upTo(3) });
  expect(await stage.versions("wants")).toEqual({ a: upTo(2), b: upTo(3) });
  expect(met.toSorted()).toEqual(["a 1", "a 2", "b 1", "b 2", "b 3"]);
  const unread = "Thing-a 4 schema-behind waiting 1";
  expect([
    await stage.letters("others"),
    await stage.letters("wants"),
    await stage.letters("calls"),
  ]).toEqual([
    [],
    [unread, "a 5 behind-dead-letter waiting 0"],
    [unread, "Thing-a 5 behind-dead-letter waiting 0"],
  ]);
  // Nobody tries it again by himself.
  const due = await stage.sql`select from varve.dead_letters where due_at is not null`;
  expect(due).toHaveLength(0);
  const told = loop.failures.map(({ subscription, code, category, outcome, eventType }) =>
    [subscription, code, category, outcome, eventType].join(" "),
  );
  expect(told.toSorted()).toEqual([
    "calls schema-behind permanent put-aside Unheard",
    "wants schema-behind permanent put-aside Unheard",
  ]);
});

test("page of unknown types alone holds up nobody when nobody wants them", async () => {
  for (let version = 0; version < 5; version += 1) await appendUnheard("a", version);
  const loop = await stage.follow({ views: [versionsView("others")] });
  await stage.reached("others", 5);
  expect([await stage.versions("others"), loop.codes]).toEqual([{}, []]);
});
