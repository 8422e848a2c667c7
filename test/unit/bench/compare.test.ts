import { expect, test } from "bun:test";

import { compare, describeComparison, interleave } from "#ops/bench/compare.ts";

const base = { name: "alone", values: [100, 200, 400] };

test("comparison takes the median of the rounds' ratios when rounds differ", () => {
  const other = { name: "disturbed", values: [50, 190, 380] };
  const of = { scenario: "s", what: "appends/s", aim: { atLeast: 0.9 } };
  expect(compare(of, base, other)).toEqual({
    scenario: "s",
    what: "appends/s",
    base: { name: "alone", median: 200 },
    other: { name: "disturbed", median: 190 },
    ratios: [0.5, 0.95, 0.95],
    ratio: 0.95,
    aim: { atLeast: 0.9 },
    met: true,
  });
});

test("aim is missed when the ratio is on its wrong side", () => {
  const met = (aim: { atLeast: number } | { atMost: number } | null, values: number[]) =>
    compare({ scenario: "s", what: "w", aim }, base, { name: "other", values }).met;
  expect([
    met({ atLeast: 0.9 }, [89, 178, 356]),
    met({ atLeast: 0.9 }, [90, 180, 360]),
    met({ atMost: 1.3 }, [131, 262, 524]),
    met({ atMost: 1.3 }, [130, 260, 520]),
    met(null, [1, 1, 1]),
  ]).toEqual([false, true, false, true, null]);
});

test("line for a person says the aim and that it is missed when it is", () => {
  const other = { name: "disturbed", values: [50, 100, 200] };
  const of = { scenario: "snapshot", what: "appends/s", aim: { atLeast: 0.9 } };
  expect(describeComparison(compare(of, base, other))).toBe(
    "snapshot | appends/s | alone 200, disturbed 100 | ratio 0.50 (0.50 to 0.50)" +
      " | aim at least 0.9: MISSED",
  );
});

test("sides take turns and the first round is not counted when they are measured", async () => {
  const calls: string[] = [];
  const measured = await interleave(
    (side: "a" | "b") => Promise.resolve(calls.push(side)),
    { names: ["a", "b"], rounds: 2 },
    (round) => calls.push(`round ${round}`),
  );
  expect(calls).toEqual(["b", "a", "round 0", "a", "b", "round 1", "b", "a", "round 2"]);
  expect(measured).toEqual({ a: [4, 8], b: [5, 7] });
});
