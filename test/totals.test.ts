import { describe, expect, test } from "bun:test";

import { addTotals, readTotals } from "./totals.ts";

const summary = (lines: string, ran: number): string =>
  `test/a.test.ts:\n(pass) a\n\n${lines}\n 2 expect() calls\nRan ${ran} tests across 3 files. [10.00ms]\n`;

describe("readTotals", () => {
  test("totals are the summary's when it adds up", () => {
    const text = summary(" 2 pass\n 1 skip\n 1 todo\n 3 fail\n 1 error", 7);
    expect(readTotals(text, 1)).toEqual({ passed: 2, failed: 3, skipped: 2 });
  });

  test("totals are the last summary's when a test prints one too", () => {
    const text = `${summary(" 9 pass\n 0 fail", 9)}${summary(" 4 pass\n 0 fail", 4)}`;
    expect(readTotals(text, 0)).toEqual({ passed: 4, failed: 0, skipped: 0 });
  });

  test("a failure is counted when there is no summary", () => {
    expect(readTotals("Segmentation fault", 139)).toEqual({ passed: 0, failed: 1, skipped: 0 });
  });

  test("a failure is counted when the summary does not add up", () => {
    expect(readTotals(summary(" 2 pass\n 0 fail", 3), 0)).toEqual({
      passed: 2,
      failed: 1,
      skipped: 0,
    });
  });

  test("a failure is counted when the code is bad and no test failed", () => {
    expect(readTotals(summary(" 2 pass\n 0 fail", 2), 1)).toEqual({
      passed: 2,
      failed: 1,
      skipped: 0,
    });
  });

  test("colours are ignored when bun writes them", () => {
    const text = summary("\u001b[32m 2 pass\u001b[0m\n\u001b[2m 0 fail\u001b[0m", 2);
    expect(readTotals(text, 0)).toEqual({ passed: 2, failed: 0, skipped: 0 });
  });
});

describe("addTotals", () => {
  test("sum is zero when nothing ran", () => {
    expect(addTotals([])).toEqual({ passed: 0, failed: 0, skipped: 0 });
  });

  test("sum has every kind when there were two runs", () => {
    const one = { passed: 1, failed: 2, skipped: 3 };
    const two = { passed: 10, failed: 20, skipped: 30 };
    expect(addTotals([one, two])).toEqual({ passed: 11, failed: 22, skipped: 33 });
  });
});
