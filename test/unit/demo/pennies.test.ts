import { describe, expect, test } from "bun:test";

import { pennies } from "#ops/demo/pennies.ts";

describe("pennies", () => {
  const cases: readonly (readonly [string, number])[] = [
    ["2.55", 255],
    ["7", 700],
    ["0.5", 50],
    [".5", 50],
    ["0.005", 1],
    ["0.0049999", 0],
    ["1.005", 101],
    ["1.004", 100],
    ["0.995", 100],
    ["0", 0],
    ["-11062.06", -1_106_206],
    ["-0.005", 0],
    ["-0.006", -1],
    ["-1.005", -100],
    ["38970.00", 3_897_000],
  ];
  for (const [text, expected] of cases) {
    test(`pennies gives ${expected} when the price is ${text}`, () => {
      expect(pennies(text)).toBe(expected);
    });
  }

  test("pennies gives nothing when the text is not a plain decimal", () => {
    const texts = ["", ".", "-", "1e2", "1,50", " 1", "£1", "NaN", "1.2.3", "99999999999999999"];
    expect(texts.map(pennies)).toEqual(texts.map(() => undefined));
  });
});
