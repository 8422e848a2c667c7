import { describe, expect, test } from "bun:test";

import { parsePrefer, preferredWait } from "#http/prefer.ts";

const blanks = " ".repeat(16_000);

/** The seconds that a header asks for; undefined where it asks for none that can be understood. */
const asked: readonly (readonly [header: string, seconds: number | undefined])[] = [
  ["wait=5", 5],
  ["wait=0", 0],
  ["wait=007", 7],
  ["wait=31", 31],
  ["wait=99999999999999999999", 1e20],
  ["Wait=5", 5],
  ["WAIT=5", 5],
  ['wait="5"', 5],
  ['wait="\\5"', 5],
  ["wait = 5", 5],
  ["wait\t=\t5 ", 5],
  ["  wait=5", 5],
  ["respond-async, wait=5", 5],
  ["wait=5, respond-async", 5],
  ["wait=5,respond-async", 5],
  [",, wait=5 ,", 5],
  ["return=minimal; foo=bar, wait=5", 5],
  ["wait=5; foo", 5],
  ['wait=5;foo="a, wait=9"; ;bar', 5],
  ['handling=lenient, note="a, wait=9, \\"b", wait=5', 5],
  ["wait=5, wait=9", 5],
  ["wait=x, wait=9", undefined],
  ["nonsense here, wait=5", 5],
  ['note="never closed, wait=5', 5],
  ["", undefined],
  ["wait", undefined],
  ["wait=", undefined],
  ['wait=""', undefined],
  ["wait=-1", undefined],
  ["wait=+1", undefined],
  ["wait=1.5", undefined],
  ["wait=1e1", undefined],
  ["wait=0x10", undefined],
  ["wait=5s", undefined],
  ["wait=5 6", undefined],
  ['wait="5', undefined],
  ["wait:5", undefined],
  ["await=5", undefined],
  ["wait-5", undefined],
  ["respond-async;wait=5", undefined],
  ['note="wait=5"', undefined],
  [`wait=5;${blanks};${blanks}?`, undefined],
  [`a${";".repeat(8_000)}?, wait=5`, 5],
  ['a="'.repeat(5_000), undefined],
  [`${'a=",'.repeat(4_000)}wait=5`, 5],
];

describe("preferredWait", () => {
  for (const [header, seconds] of asked) {
    test(`seconds are ${seconds} when the header is ${header.slice(0, 60)}`, () => {
      expect(preferredWait(header)).toBe(seconds);
    });
  }

  test("seconds are not there when there is no header", () => {
    expect(preferredWait(undefined)).toBeUndefined();
  });
});

describe("parsePrefer", () => {
  test("preferences are known by name when there are several", () => {
    const header = 'Respond-Async, return="mini\\"mal"; x=y, wait=10;z, odd!name=~, __proto__=1';
    expect([...parsePrefer(header)]).toEqual([
      ["respond-async", ""],
      ["return", 'mini"mal'],
      ["wait", "10"],
      ["odd!name", "~"],
      ["__proto__", "1"],
    ]);
  });
});
