import { afterEach, beforeEach, expect, test } from "bun:test";

import { appendAll, appendTo } from "#test/support/appends.ts";
import { type Loss, losingPool } from "#test/support/pools.ts";
import { openStage, type Stage } from "#test/support/stage.ts";
import { meetingReactor, upTo, versionsView } from "#test/support/watched.ts";
import { until } from "#test/until.ts";

let stage: Stage;
beforeEach(async () => {
  stage = await openStage();
});
afterEach(() => stage.close());

/** Everything that the runtime reads or writes on its way from the log to its checkpoint. */
const statements = [
  "read_subscription_page",
  "read_projection",
  "apply_projection",
  "advance_checkpoint",
  "advance_checkpoints",
  "read_due_letters",
  "read_waiting_streams",
  "acquire_leases",
];

const cases = (["statement", "reply"] as const).flatMap((loss) =>
  statements.map((statement) => ({ loss, statement })),
);

/** Fails at first for one event, so that there are letters as well. */
const meet = (failed: Set<string>, name: string, position: number): void => {
  if (position !== 5 || failed.has(name)) return;
  failed.add(name);
  throw new TypeError("not at first");
};

/** Loses every third one of a kind. */
function losing(statement: string, loss: Loss) {
  let sent = 0;
  return {
    lost: () => Math.floor(sent / 3),
    pool: losingPool(stage.pool, (name) => {
      if (name !== statement) return undefined;
      sent += 1;
      return sent % 3 === 0 ? loss : undefined;
    }),
  };
}

test.each(cases)(
  "nothing is lost or doubled when every third $loss of $statement is",
  async (of) => {
    const calls: string[] = [];
    const failed = new Set<string>();
    const settings = { batchSize: 3, retryDelayMs: 1 };
    const views = [
      versionsView("view", ({ position }) => meet(failed, "view", position), { settings }),
      versionsView("passing", () => undefined, { events: ["Unheard"] }),
    ];
    const reactors = [
      meetingReactor(
        "reactor",
        ({ position, aggregateId, version }, { id }) => {
          meet(failed, "reactor", position);
          expect(id).toBe(`reactor:${position}`);
          calls.push(`${aggregateId} ${version}`);
        },
        { settings },
      ),
    ];
    const { pool, lost } = losing(of.statement, of.loss);
    const loop = await stage.follow({ views, reactors, pool });
    for (let version = 0; version < 12; version += 1) {
      await appendAll(stage.pool, appendTo("a", version), appendTo("b", version));
      loop.wake();
      // Leases are asked for by the clock, whatever is appended.
      if (of.statement === "acquire_leases" && version === 6) {
        await until("one was lost", () => lost() > 0);
      }
      await stage.reached("view", 2 * version + 2, 10_000);
    }
    for (const name of ["reactor", "passing"]) await stage.reached(name, 24, 10_000);
    for (const name of ["view", "reactor"]) await stage.settled(name);
    await until("all are live", loop.isLive);
    if (of.statement !== "read_waiting_streams" && of.statement !== "read_due_letters") {
      expect(lost()).toBeGreaterThan(0);
    }
    expect(await stage.versions("view")).toEqual({ a: upTo(12), b: upTo(12) });
    // At least once; in order, the repeats set aside.
    const met = [...new Set(calls)];
    for (const key of ["a", "b"]) {
      expect(met.filter((call) => call.startsWith(key))).toEqual(
        upTo(12).map((version) => `${key} ${version}`),
      );
    }
    const [proof] = await stage.sql`
    select taken_count::int as taken from varve.checkpoints where subscription = 'view'`;
    expect(proof).toEqual({ taken: 24 });
    for (const name of ["view", "reactor", "passing"]) {
      expect(await stage.proofFaults(name)).toEqual([]);
    }
  },
  40_000,
);
