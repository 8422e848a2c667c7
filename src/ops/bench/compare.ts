/**
 * Comparisons within one run. A figure of a shared machine says little; what carries over is how two
 * sides of one run compare.
 *
 * What it promises: the sides are measured in turns, A B, B A, A B …, after one round that is not
 * counted, so that a noisy minute and a log that grows are the same for each. The ratio is the
 * median of the ratios of the rounds, and all of them are given: an aim that is missed while the
 * ratios lie far apart says more about the machine than about what was measured.
 */
import { median } from "./statistics.ts";

export type Aim = { readonly atLeast: number } | { readonly atMost: number };

export type Comparison = {
  readonly scenario: string;
  /** What was counted, with its unit. */
  readonly what: string;
  readonly base: { readonly name: string; readonly median: number };
  readonly other: { readonly name: string; readonly median: number };
  /** Other to base: of each round in order, and their median. */
  readonly ratios: readonly number[];
  readonly ratio: number;
  readonly aim: Aim | null;
  /** Null where there is no aim. */
  readonly met: boolean | null;
};

type Values = { readonly name: string; readonly values: readonly number[] };

/** Judges two sides that were measured in the same rounds. */
export function compare(
  of: Pick<Comparison, "scenario" | "what" | "aim">,
  base: Values,
  other: Values,
): Comparison {
  const { aim } = of;
  const ratios = base.values.map((value, round) => (other.values[round] ?? 0) / value);
  const ratio = median(ratios);
  return {
    ...of,
    base: { name: base.name, median: median(base.values) },
    other: { name: other.name, median: median(other.values) },
    ratios,
    ratio,
    met: aim === null ? null : "atLeast" in aim ? ratio >= aim.atLeast : ratio <= aim.atMost,
  };
}

/** Judges one side against what is wanted of it. */
export const judge = (
  of: Pick<Comparison, "scenario" | "what">,
  wanted: Aim,
  { name, values }: Values,
): Comparison => {
  const atLeast = "atLeast" in wanted;
  const value = atLeast ? wanted.atLeast : wanted.atMost;
  const aim = atLeast ? { atLeast: 1 } : { atMost: 1 };
  return compare(
    { ...of, aim },
    { name: "wanted", values: values.map(() => value) },
    { name, values },
  );
};

/** Measures every side once a round, in turns; each side's values are in order of the rounds. */
export async function interleave<Name extends string, Value>(
  measure: (side: Name) => Promise<Value>,
  of: { readonly names: readonly Name[]; readonly rounds: number },
  onRound: (round: number) => void,
): Promise<Readonly<Record<Name, readonly Value[]>>> {
  const lists = of.names.map((name): [Name, Value[]] => [name, []]);
  for (let round = 0; round <= of.rounds; round += 1) {
    for (const [name, values] of round % 2 === 0 ? lists.toReversed() : lists) {
      const value = await measure(name);
      if (round > 0) values.push(value);
    }
    onRound(round);
  }
  return Object.fromEntries(lists) as Record<Name, Value[]>;
}

const figure = (value: number): string =>
  value >= 100 ? Math.round(value).toLocaleString("en-GB") : value.toPrecision(3);

const aimText = ({ aim, met }: Comparison): string => {
  if (aim === null) return "";
  const bound = "atLeast" in aim ? `at least ${aim.atLeast}` : `at most ${aim.atMost}`;
  return ` | aim ${bound}: ${met === true ? "met" : "MISSED"}`;
};

/** One line for a person. */
export function describeComparison(comparison: Comparison): string {
  const { scenario, what, base, other, ratio, ratios } = comparison;
  const spread = `${Math.min(...ratios).toFixed(2)} to ${Math.max(...ratios).toFixed(2)}`;
  return (
    `${scenario} | ${what} | ${base.name} ${figure(base.median)}, ` +
    `${other.name} ${figure(other.median)} | ratio ${ratio.toFixed(2)} (${spread})` +
    aimText(comparison)
  );
}
