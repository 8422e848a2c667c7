import { afterEach, beforeEach, expect, test } from "bun:test";

import { sleep } from "#kernel/clock.ts";
import { appendAll, appendTo } from "#test/support/appends.ts";
import { openStage, type Stage } from "#test/support/stage.ts";
import { meetingReactor, upTo, versionsView } from "#test/support/watched.ts";
import { until } from "#test/until.ts";

let stage: Stage;
beforeEach(async () => {
  stage = await openStage();
});
afterEach(() => stage.close());

const suspect = (subscription: string, position: number, crashes: number) =>
  stage.sql`insert into varve.suspects values (${subscription}, ${position}, ${crashes})`;

const streams = ["a", "b", "c", "d"];

test("events that may end the worker are worked on one at a time, whoever works on them", async () => {
  await appendAll(stage.pool, ...streams.map((stream) => appendTo(stream, 0)));
  const underWay = new Set<string>();
  let together = 0;
  const met: string[] = [];
  const reactors = ["mails", "bills"].map((name) =>
    meetingReactor(name, async ({ position }, { attempt }) => {
      if (position > 2) return;
      underWay.add(`${name} ${position}`);
      together = Math.max(together, underWay.size);
      // Long enough for the others to begin, if they may.
      await sleep(50);
      underWay.delete(`${name} ${position}`);
      met.push(`${name} ${position} ${attempt}`);
    }),
  );
  for (const name of ["mails", "bills"]) {
    for (const position of [1, 2]) await suspect(name, position, 1);
  }
  await stage.follow({ reactors });
  for (const name of ["mails", "bills"]) await stage.reached(name, 4);
  expect(together).toBe(1);
  expect(met.toSorted()).toEqual(["bills 1 2", "bills 2 2", "mails 1 2", "mails 2 2"]);
});

test("event is put aside, and not tried, when it has ended workers more often than it may", async () => {
  await appendAll(stage.pool, ...streams.map((stream) => appendTo(stream, 0, 2)));
  const met: number[] = [];
  const settings = { retries: 2 };
  const touched: string[] = [];
  const key: ReturnType<typeof versionsView>["key"] = ({ aggregateId, position }) => {
    touched.push(`${aggregateId} ${position}`);
    return aggregateId;
  };
  const views = [
    versionsView("view", ({ position }) => void met.push(position), { settings, key }),
  ];
  const reactors = [
    meetingReactor("reactor", ({ position }) => void met.push(position), { settings }),
  ];
  await suspect("view", 1, 3);
  // It has ended one more, after it was given up: by its key, then.
  await suspect("view", 5, 4);
  await suspect("reactor", 3, 3);
  const loop = await stage.follow({ views, reactors });
  for (const name of ["view", "reactor"]) await stage.reached(name, 8);
  expect(await stage.letters("view")).toEqual([
    "a 1 handler-crashed waiting 3",
    "a 2 behind-dead-letter waiting 0",
    "Thing-c 5 handler-crashed waiting 4",
    "c 6 behind-dead-letter waiting 0",
  ]);
  expect(await stage.letters("reactor")).toEqual([
    "Thing-b 3 handler-crashed waiting 3",
    "Thing-b 4 behind-dead-letter waiting 0",
  ]);
  expect(await stage.versions("view")).toEqual({ b: upTo(2), d: upTo(2) });
  const metOnce = met.filter((position) => [1, 3, 5].includes(position));
  expect(metOnce.toSorted((left, right) => left - right)).toEqual([1, 3, 5]);
  expect(touched).not.toContain("c 5");
  const due = await stage.sql`select from varve.dead_letters where due_at is not null`;
  expect(due).toHaveLength(0);
  const told = loop.failures.map(({ subscription, position, code, category, attempt, outcome }) =>
    [subscription, position, code, category, attempt, outcome].join(" "),
  );
  expect(told.toSorted()).toEqual([
    "reactor 3 handler-crashed permanent 3 put-aside",
    "view 1 handler-crashed permanent 3 put-aside",
    "view 5 handler-crashed permanent 4 put-aside",
  ]);
});

test("reactor that is not to go on stops in front of such an event, until it is reset", async () => {
  await appendAll(stage.pool, ...streams.map((stream) => appendTo(stream, 0, 2)));
  const met: number[] = [];
  const settings = { retries: 2, continueOnError: false };
  const reactor = meetingReactor("reactor", ({ position }) => void met.push(position), {
    settings,
  });
  await suspect("reactor", 3, 3);
  const loop = await stage.follow({ reactors: [reactor] });
  await stage.reached("reactor", 2);
  await until("it has stopped", () => loop.report().some(({ halted }) => halted));
  expect(loop.report()).toMatchObject([{ state: "error", lastError: "handler-crashed" }]);
  expect([met.includes(3), await stage.letters("reactor")]).toEqual([false, []]);

  await stage.sql`select varve.reset_subscription('reactor', 2)`;
  await stage.reached("reactor", 8, 10_000);
  expect(met).toContain(3);
  expect(await stage.letters("reactor")).toEqual([]);
});
