import { expect, test } from "bun:test";

import fc from "fast-check";

import { parsePrefer, preferredWait } from "#http/prefer.ts";

const pieces = ["wait", "wait=5", "W", "a", "5", "~", "=", ";", ",", " ", "\t", '"', "\\", '"x"'];

/** Text that is made of what the grammar is made of, besides any. */
const header = fc.oneof(
  fc.string({ unit: "binary" }),
  fc.string({
    unit: fc.constantFrom(...pieces),
    size: "medium",
  }),
);

const name = fc.stringMatching(/^[A-Za-z!#$%&'*+.^_`|~0-9-]{1,9}$/);
const quoted = fc
  .string({ unit: "grapheme-ascii" })
  .map((text) => `"${text.replaceAll(/["\\]/g, "\\$&")}"`);
const other = fc
  .tuple(name, fc.option(fc.oneof(name, quoted)))
  .filter(([first]) => first.toLowerCase() !== "wait")
  .map(([first, value]) => (value === null ? first : `${first}=${value}`));

test("parsing never throws, and what it finds is a number of seconds or nothing", () => {
  fc.assert(
    fc.property(header, (text) => {
      const seconds = preferredWait(text);
      expect(seconds === undefined || seconds >= 0).toBe(true);
      for (const found of parsePrefer(text).keys()) expect(found).toMatch(/^[^\s,;="]+$/);
    }),
    { numRuns: 5_000 },
  );
});

test("wait is found whatever other preferences stand around it", () => {
  const around = fc.array(other, { maxLength: 4 });
  fc.assert(
    fc.property(around, fc.nat(), around, (before, seconds, after) => {
      const text = [...before, `wait=${seconds}`, ...after].join(", ");
      expect(preferredWait(text)).toBe(seconds);
    }),
    { numRuns: 2_000 },
  );
});
