import { readdirSync } from "node:fs";

import { describe, expect, test } from "bun:test";

import { checkDomainPurity, checkWebStandards } from "./purity.ts";
import { checkRooms, rooms } from "./rooms.ts";
import { checkFileSizes, checkFunctionSizes, checkKernel } from "./sizes.ts";
import { importsOf, readSources } from "./source.ts";
import { checkFocus, checkSqlHeaders, checkSuppressions, checkTopLevel } from "./texts.ts";

const root = process.cwd();
const src = readSources(root, "src", ".ts");
const tests = readSources(root, "test", ".ts");
const sql = readSources(root, "sql", ".sql");

describe("the scan", () => {
  test("scan sees every room when it reads src", () => {
    const seen = new Set(src.map(({ path }) => path.split("/")[1]));
    expect(Object.keys(rooms).filter((room) => !seen.has(room))).toEqual([]);
  });

  test("scan sees imports in every room but the kernel when it parses src", () => {
    const importing = new Set(
      src.filter((source) => importsOf(source).length > 0).map(({ path }) => path.split("/")[1]),
    );
    const others = Object.keys(rooms).filter((room) => room !== "kernel");
    expect(others.filter((room) => !importing.has(room))).toEqual([]);
  });

  test("scan sees SQL and tests when it reads their folders", () => {
    expect([sql.length > 0, tests.length > 0]).toEqual([true, true]);
  });
});

describe("the tree", () => {
  test("rooms import only what the table allows when src is read", () => {
    expect(checkRooms(src)).toEqual([]);
  });

  test("web rooms name nothing of Bun or Node when src is read", () => {
    expect(checkWebStandards(src)).toEqual([]);
  });

  test("domain reads no clock and no randomness when src is read", () => {
    expect(checkDomainPurity(src)).toEqual([]);
  });

  test("kernel is its list of files when src is read", () => {
    expect(checkKernel(src)).toEqual([]);
  });

  test("files and functions are short when src and test are read", () => {
    expect(checkFileSizes([...src, ...tests])).toEqual([]);
    expect(checkFunctionSizes(src)).toEqual([]);
  });

  test("suppressions have a reason when src and test are read", () => {
    expect(checkSuppressions([...src, ...tests])).toEqual([]);
  });

  test("tests are not focused when test is read", () => {
    expect(checkFocus(tests)).toEqual([]);
  });

  test("SQL opens with a comment when sql is read", () => {
    expect(checkSqlHeaders(sql)).toEqual([]);
  });

  test("top level holds nothing else when the root is listed", () => {
    expect(checkTopLevel(readdirSync(root))).toEqual([]);
  });
});
