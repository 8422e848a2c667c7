import { afterEach, beforeEach, expect, test } from "bun:test";

import { z } from "zod";

import type { EventTypes } from "#domain/upcast.ts";
import { retryDeadLetters } from "#store/dead-letters.ts";
import { anEvent, appendAll, appendTo } from "#test/support/appends.ts";
import { openStage, type Stage } from "#test/support/stage.ts";
import { meetingReactor, upTo, versionsView } from "#test/support/watched.ts";

let stage: Stage;
beforeEach(async () => {
  stage = await openStage();
});
afterEach(() => stage.close());

/** Version 2 of the event, which the program makes of version 1 unless its value is 13. */
const upcasting = (isMended: boolean): EventTypes =>
  new Map([
    [
      "Happened",
      {
        aggregateType: "Thing",
        definition: {
          version: 2,
          payload: z.unknown(),
          upcasters: {
            1: (payload: never) => {
              const { value } = payload as { value: number };
              if (value === 13 && !isMended) throw new RangeError("no such value: 13");
              return { amount: value };
            },
          },
        },
      },
    ],
  ]);

test("event is put aside when its upcaster throws, and taken by the program that can read it", async () => {
  const { pool } = stage;
  const met: unknown[] = [];
  const views = [versionsView("versions")];
  const reactors = [meetingReactor("calls", ({ payload }) => void met.push(payload))];
  await appendAll(
    pool,
    { ...appendTo("a", 0), events: [anEvent(), anEvent({ value: 13 }), anEvent()] },
    appendTo("b", 0, 2),
  );
  const before = await stage.follow({ views, reactors, eventTypes: upcasting(false) });
  for (const name of ["versions", "calls"]) await stage.reached(name, 5);
  const unread = "Thing-a 2 upcast-failed waiting 1";
  expect([await stage.letters("versions"), await stage.letters("calls")]).toEqual([
    [unread, "a 3 behind-dead-letter waiting 0"],
    [unread, "Thing-a 3 behind-dead-letter waiting 0"],
  ]);
  expect(await stage.versions("versions")).toEqual({ a: [1], b: upTo(2) });
  expect(met).toEqual([{ amount: 1 }, { amount: 1 }, { amount: 1 }]);
  expect(new Set(before.failures.map(({ code, category }) => `${code} ${category}`))).toEqual(
    new Set(["upcast-failed permanent"]),
  );
  await before.stop();

  const after = await stage.follow({ views, reactors, eventTypes: upcasting(true) });
  expect(await retryDeadLetters(pool, { errorCode: "upcast-failed" })).toBe(2);
  const read = "Thing-a 2 upcast-failed resolved 2";
  for (const name of ["versions", "calls"]) await stage.settled(name);
  expect([await stage.letters("versions"), await stage.letters("calls")]).toEqual([
    [read, "a 3 behind-dead-letter resolved 1"],
    [read, "Thing-a 3 behind-dead-letter resolved 1"],
  ]);
  expect(await stage.versions("versions")).toEqual({ a: upTo(3), b: upTo(2) });
  expect(met.slice(3)).toEqual([{ amount: 13 }, { amount: 1 }]);
  expect(after.codes).toEqual([]);
});
