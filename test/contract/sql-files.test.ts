import { readdirSync, readFileSync } from "node:fs";

import { describe, expect, test } from "bun:test";

import { functions, migrations, type SqlFile } from "#store/sql-files.ts";
import { queries } from "#store/statements.ts";

const folder = (name: string): readonly SqlFile[] =>
  readdirSync(`sql/${name}`)
    .toSorted()
    .map((file) => ({
      name: file.replace(/\.sql$/, ""),
      text: readFileSync(`sql/${name}/${file}`, "utf8"),
    }));

const camelCase = (name: string): string =>
  name.replaceAll(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());

/** The comment that a file opens with, as one line. */
const headerOf = (text: string): string => {
  const lines = text.split("\n");
  const end = lines.findIndex((line) => !line.startsWith("--"));
  return lines
    .slice(0, end)
    .map((line) => line.slice(2).trim())
    .join(" ");
};

const lacking = (file: SqlFile, parts: readonly RegExp[]): readonly string[] =>
  parts
    .filter((part) => !part.test(headerOf(file.text)))
    .map((part) => `${file.name}: ${part.source}`);

describe("what the program carries", () => {
  test("program knows every migration in order when the folder is read", () => {
    expect(migrations).toEqual(folder("migration"));
  });

  test("program knows every function when the folder is read", () => {
    expect(functions).toEqual(folder("function"));
  });

  test("program calls every query by its own name when the folder is read", () => {
    const expected = folder("query").map((file) => [camelCase(file.name), file]);
    expect(Object.entries(queries)).toEqual(expected as [keyof typeof queries, SqlFile][]);
  });
});

describe("headers", () => {
  test("query says parameters, result, index, locks and repetition when it opens", () => {
    const parts = [/^[A-Z].+?\./, /→/, /Index: /, /Locks: /, /Idempotent: (yes|no|reads only)/];
    expect(folder("query").flatMap((file) => lacking(file, parts))).toEqual([]);
  });

  test("function says parameters, result, index, locks and repetition when it opens", () => {
    const parts = [
      /^[A-Z].+?\./,
      /→/,
      /Index: /,
      /Locks: /,
      /Idempotent|Reads only|Repeating it is safe|Asking again .* is safe/,
    ];
    expect(folder("function").flatMap((file) => lacking(file, parts))).toEqual([]);
  });

  test("migration says what it brings when it opens", () => {
    expect(folder("migration").flatMap((file) => lacking(file, [/^[A-Z].+?\./]))).toEqual([]);
  });
});
