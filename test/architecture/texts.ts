import { lineAt, parse, walk } from "./source.ts";
import type { Source, Violation } from "./source.ts";

const withReason = /^\s*(oxlint-disable\S* .*\s--\s+\S|@ts-expect-error\s+\S)/;

/** A suppressed rule says why: oxlint's after two dashes, the compiler's after its name. */
export const checkSuppressions = (sources: readonly Source[]): readonly Violation[] =>
  sources.flatMap((source) =>
    parse(source)
      .comments.filter(({ value }) => /^\s*(oxlint-disable|eslint-disable|@ts-)/.test(value))
      .filter(({ value }) => !withReason.test(value))
      .map(({ start }) => {
        const line = lineAt(source.text, start);
        return { path: source.path, line, message: "a suppression without its reason" };
      }),
  );

/** An SQL file opens with what it is for. */
export const checkSqlHeaders = (sources: readonly Source[]): readonly Violation[] =>
  sources
    .filter(({ text }) => !/^-- \S/.test(text))
    .map(({ path }) => ({ path, line: 1, message: "does not open with a comment" }));

const topLevel = new Set([
  "CHANGELOG.md",
  "Dockerfile",
  "README.md",
  "bun.lock",
  "bunfig.toml",
  "docs",
  "fly.toml",
  "package.json",
  "sql",
  "src",
  "test",
  "tsconfig.json",
  // Not in the repository.
  "dist",
  "node_modules",
]);

/** Nothing joins the top level but dot-files. */
export const checkTopLevel = (names: readonly string[]): readonly Violation[] =>
  names
    .filter((name) => !name.startsWith(".") && !topLevel.has(name))
    .map((name) => ({ path: name, line: 1, message: "does not belong to the top level" }));

const testers = /^(test|it|describe)\.only$/;

/** A focused test silences all others. Not left to oxlint, which does not know `bun:test`. */
export function checkFocus(sources: readonly Source[]): readonly Violation[] {
  const found: Violation[] = [];
  for (const source of sources) {
    walk(source, (node) => {
      if (node.type !== "MemberExpression") return;
      if (!testers.test(source.text.slice(node.start, node.end))) return;
      const line = lineAt(source.text, node.start);
      found.push({ path: source.path, line, message: "a focused test silences all others" });
    });
  }
  return found;
}
