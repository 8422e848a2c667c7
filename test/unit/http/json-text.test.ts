import { expect, test } from "bun:test";

import fc from "fast-check";

import { textFaults } from "#http/json-text.ts";
import { limits } from "#kernel/limits.ts";

test("a JSON text has no faults when every value of it survives a round trip", () => {
  const isClean = (value: unknown): boolean => {
    if (typeof value === "number") return !Number.isInteger(value) || Number.isSafeInteger(value);
    if (typeof value === "string") return value.isWellFormed() && !value.includes("\0");
    if (typeof value !== "object" || value === null) return true;
    return Object.entries(value).every(
      ([name, child]) =>
        !["__proto__", "constructor", "prototype"].includes(name) &&
        isClean(name) &&
        isClean(child),
    );
  };
  const spaced = fc.constantFrom(undefined, 1, "\t");
  const value = fc.jsonValue({ maxDepth: 6, stringUnit: "binary" });
  fc.assert(
    fc.property(value, spaced, (json, space) => {
      const text = JSON.stringify(json, undefined, space);
      expect(textFaults(text).length === 0).toBe(isClean(JSON.parse(text)));
    }),
    { numRuns: 2_000 },
  );
});

test("a fault has the path of its value in nested objects and arrays", () => {
  const text = '{"a":[1,{"b":"x","c":[[],"\\u0000"]}],"d":{"e":1e999},"f":[{"g":0,"g":1}]}';
  expect(textFaults(text).map(({ path }) => path)).toEqual([
    ["a", 1, "c", 1],
    ["d", "e"],
    ["f", 0, "g"],
  ]);
});

test("names in different objects are no duplicates, and values are no names", () => {
  expect(textFaults('{"a":{"a":"a"},"b":["a","a",{"a":1},{"a":1}]}')).toEqual([]);
});

test("brackets, quotes and escapes in strings are text", () => {
  expect(textFaults('{"a":"[[{\\"__proto__\\":1e999,","b":"\\\\","c":"\\\\\\""}')).toEqual([]);
});

test("nesting is allowed up to the limit and reported once past it", () => {
  const nested = (depth: number): string => "[".repeat(depth) + "]".repeat(depth);
  expect(textFaults(nested(limits.jsonDepth))).toEqual([]);
  expect(textFaults(nested(100_000))).toEqual([
    { path: Array(limits.jsonDepth).fill(0), message: `is nested deeper than ${limits.jsonDepth}` },
  ]);
});

test("faults are no more than the limit when a text has thousands", () => {
  expect(textFaults(`[${"1e999,".repeat(5_000)}1]`).length).toBe(limits.validationFaults);
});
