import { readFileSync } from "node:fs";
import { join } from "node:path";

import { parseSync } from "oxc-parser";

/** One file of the tree: its path from the root, with `/`, and its text. */
export type Source = { readonly path: string; readonly text: string };

/** A broken rule: where, and which. Lines count from 1. */
export type Violation = { readonly path: string; readonly line: number; readonly message: string };

/** A file that may import another, or name a global. Positions are offsets into the text. */
export type Node = { readonly type: string; readonly start: number; readonly end: number } & {
  readonly [field: string]: unknown;
};

/** Every file under the folder with one of the endings, in the order of their paths. */
export function readSources(root: string, folder: string, ending: string): readonly Source[] {
  return [...new Bun.Glob(`${folder}/**/*${ending}`).scanSync({ cwd: root })]
    .toSorted()
    .map((path) => ({ path, text: readFileSync(join(root, path), "utf8") }));
}

export const lineAt = (text: string, offset: number): number =>
  text.slice(0, offset).split("\n").length;

export const lineCount = (text: string): number => text.trimEnd().split("\n").length;

const isNode = (value: unknown): value is Node =>
  typeof value === "object" && value !== null && "type" in value && typeof value.type === "string";

/** Calls `visit` for each node of the file's syntax tree with the nodes around it, innermost last. */
export function walk(source: Source, visit: (node: Node, around: readonly Node[]) => void): void {
  const enter = (value: unknown, around: readonly Node[]): void => {
    if (Array.isArray(value)) {
      for (const item of value) enter(item, around);
    } else if (isNode(value)) {
      visit(value, around);
      const inner = [...around, value];
      for (const [field, child] of Object.entries(value)) {
        if (field !== "type" && typeof child === "object") enter(child, inner);
      }
    }
  };
  enter(parse(source).program, []);
}

/** Throws on a file that cannot be parsed: its rules would hold for want of a tree. */
export function parse({ path, text }: Source): ReturnType<typeof parseSync> {
  const parsed = parseSync(path, text);
  const [error] = parsed.errors;
  if (error !== undefined) throw new Error(`${path}: ${error.message}`);
  return parsed;
}

/** An import of any kind; null for an `import()` whose target only a run would tell. */
export type Import = { readonly target: string | null; readonly line: number };

const importing = new Set([
  "ImportDeclaration",
  "ExportNamedDeclaration",
  "ExportAllDeclaration",
  "ImportExpression",
  "TSImportType",
]);

/** `import`, `import type`, `export from`, `import()` and `import("…").Type`, in order. */
export function importsOf(source: Source): readonly Import[] {
  const found: Import[] = [];
  walk(source, (node) => {
    if (!importing.has(node.type) || !isNode(node["source"])) return;
    const target = node["source"]["value"];
    const line = lineAt(source.text, node.start);
    found.push({ target: typeof target === "string" ? target : null, line });
  });
  return found;
}
