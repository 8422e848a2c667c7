import { afterEach, beforeEach, expect, test } from "bun:test";

import { appendAll, appendTo } from "#test/support/appends.ts";
import { openStage, type Stage } from "#test/support/stage.ts";
import { meetingReactor, upTo, versionsView } from "#test/support/watched.ts";
import { until } from "#test/until.ts";

let stage: Stage;
beforeEach(async () => {
  stage = await openStage();
});
afterEach(() => stage.close());

const POISON = 4;

const meet = (position: number): void => {
  if (position === POISON) throw new TypeError("this one cannot be taken");
};

const settings = { retries: 0 };

/** How the letter is refused, and how that ends. */
const refusals = [
  {
    by: "a constraint",
    code: "invalid-data",
    refuse: "alter table varve.dead_letters add constraint none check (false)",
    mend: "alter table varve.dead_letters drop constraint none",
  },
  {
    by: "a right",
    code: "database-refused",
    refuse: `create function public.refuse() returns trigger language plpgsql as $$
      begin raise insufficient_privilege; end $$;
      create trigger refuse before insert on varve.dead_letters
        for each row execute function public.refuse()`,
    mend: "drop function public.refuse() cascade",
  },
] as const;

test.each(refusals)(
  "nothing moves past an event whose letter is refused by $by",
  async (refusal) => {
    const { pool, sql } = stage;
    const met: number[] = [];
    const views = [versionsView("view", ({ position }) => meet(position), { settings })];
    const reactors = [
      meetingReactor(
        "reactor",
        ({ position }) => {
          meet(position);
          met.push(position);
        },
        { settings },
      ),
    ];
    await sql.unsafe(refusal.refuse);
    await appendAll(pool, appendTo("a", 0, 5), appendTo("b", 0, 2));
    const loop = await stage.follow({ views, reactors });
    const failed = (name: string) =>
      loop.failures.filter(({ subscription, outcome }) => {
        return subscription === name && outcome === "paused";
      });
    for (const name of ["view", "reactor"]) {
      await until(`${name} has been refused again and again`, () => failed(name).length >= 3);
      expect(await stage.checkpoint(name)).toBeLessThan(POISON);
      expect(loop.stateOf(name)).toBe("error");
      const told = failed(name).map(({ code, category }) => `${code} ${category}`);
      expect(new Set(told)).toEqual(new Set([`${refusal.code} infrastructure`]));
    }
    // Its effect is not there either, nor that of anything after it.
    expect([{}, { a: upTo(3) }]).toContainEqual(await stage.versions("view"));
    expect([await stage.letters("view"), await stage.letters("reactor")]).toEqual([[], []]);

    await sql.unsafe(refusal.mend);
    for (const name of ["view", "reactor"]) await stage.reached(name, 7, 15_000);
    await until("both are live", loop.isLive);
    expect(await stage.versions("view")).toEqual({ a: upTo(3), b: upTo(2) });
    // A call is made once, however often its checkpoint was refused.
    expect(met.toSorted((left, right) => left - right)).toEqual([1, 2, 3, 6, 7]);
    expect([await stage.letters("view"), await stage.letters("reactor")]).toEqual([
      ["a 4 view-failed waiting 1", "a 5 behind-dead-letter waiting 0"],
      ["Thing-a 4 handler-failed waiting 1", "Thing-a 5 behind-dead-letter waiting 0"],
    ]);
  },
  30_000,
);
