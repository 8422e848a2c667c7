import { parse } from "acorn";

import { type Canonical, canonical, type Part, type TopLevel } from "./canonical.ts";
import { boundNames, identifierOf, isFunction, isNode, type Node, nodesOf } from "./scope.ts";

/** A piece of the top level: what one declarator, function, class or other statement says. */
export type Unit = Canonical & {
  readonly node: Node;
  /** The names that it declares; none for a statement that only does something. */
  readonly names: readonly string[];
  /** Whether it does something when the program is loaded, rather than only define. */
  readonly runs: boolean;
};

/** A program in one file, in pieces. */
export type Program = {
  readonly topLevel: TopLevel;
  readonly units: readonly Unit[];
  readonly unitOf: ReadonlyMap<string, Unit>;
  /** What it exports: the name inside by the name outside. */
  readonly exported: ReadonlyMap<string, string>;
};

/** What an imported name stands for, whatever it is called here. */
function importedNames(declaration: Node): readonly (readonly [string, string])[] {
  const { source } = declaration;
  const target = isNode(source) ? source["value"] : source;
  return nodesOf(declaration["specifiers"]).map((specifier) => {
    const { imported } = specifier;
    const name = isNode(imported) ? (imported["name"] ?? imported["value"]) : specifier.type;
    return [identifierOf(specifier["local"]) ?? "", JSON.stringify([target, name])];
  });
}

const exportedNames = (declaration: Node): readonly (readonly [string, string])[] =>
  nodesOf(declaration["specifiers"]).map(({ exported, local }) => [
    identifierOf(exported) ?? "",
    identifierOf(local) ?? "",
  ]);

/** Each declarator by itself; every other statement as it is. */
const pieces = (statement: Node): readonly Node[] =>
  statement.type === "VariableDeclaration" ? nodesOf(statement["declarations"]) : [statement];

function runs({ type, init }: Node): boolean {
  if (type === "FunctionDeclaration") return false;
  if (type !== "VariableDeclarator") return true;
  return isNode(init) && init.type !== "Literal" && !isFunction(init);
}

const isImport = ({ type, specifiers }: Node): boolean =>
  type === "ImportDeclaration" && nodesOf(specifiers).length > 0;

const isExport = ({ type }: Node): boolean => type === "ExportNamedDeclaration";

/** Takes a bundle apart. Throws a SyntaxError for what is none. */
export function parseProgram(text: string): Program {
  const parsed = parse(text, { ecmaVersion: "latest", sourceType: "module" });
  const statements = nodesOf(parsed.body);
  const named = statements
    .filter((statement) => !isImport(statement) && !isExport(statement))
    .flatMap(pieces)
    .map((node) => ({ node, names: boundNames(node["id"]) }));
  const topLevel = {
    declared: new Set(named.flatMap(({ names }) => names)),
    imported: new Map(statements.filter(isImport).flatMap(importedNames)),
  };
  const units = named.map(({ node, names }): Unit => {
    const { parts, reads, writes } = canonical(node, topLevel);
    const others = new Set([...reads].filter((name) => !names.includes(name)));
    return { node, names, runs: runs(node), parts, reads: others, writes };
  });
  return {
    topLevel,
    units,
    unitOf: new Map(units.flatMap((unit) => unit.names.map((name) => [name, unit]))),
    exported: new Map(statements.filter(isExport).flatMap(exportedNames)),
  };
}

/** The unit's text with the names of the top level left open. */
const openText = (parts: readonly Part[]): string =>
  parts.map((part) => (typeof part === "string" ? part : "#")).join("");

/** The units and all that they refer to, in the order in which they are met. */
function reached({ unitOf }: Program, roots: readonly Unit[]): ReadonlySet<Unit> {
  const found = new Set(roots);
  // A set that grows while it is read gives what was added, too.
  for (const { parts } of found) {
    for (const part of parts) {
      const unit = typeof part === "string" ? undefined : unitOf.get(part.name);
      if (unit !== undefined) found.add(unit);
    }
  }
  return found;
}

/** Units beside these that change, when the program is loaded, what these read or the root is. */
function changers(program: Program, root: Unit, found: ReadonlySet<Unit>): readonly Unit[] {
  const read = new Set([...root.names, ...[...found].flatMap(({ reads }) => [...reads])]);
  const writing = program.units.filter(({ writes }) => [...writes].some((name) => read.has(name)));
  if (writing.length === 0) return [];
  return program.units.filter(
    (unit) =>
      unit.runs &&
      !found.has(unit) &&
      !reached(program, [unit]).isDisjointFrom(new Set<Unit>(writing)),
  );
}

const byText = (units: readonly Unit[]): readonly Unit[] =>
  units.toSorted((a, b) => (openText(a.parts) < openText(b.parts) ? -1 : 1));

/**
 * The code of the unit and of all that can change what it does, as text: the same for the same code,
 * wherever in the program it stands and whatever else is there. Statements that declare nothing are
 * always in it, since nobody knows what they are for.
 */
export function textOf(program: Program, root: Unit): string {
  let roots = [root, ...byText(program.units.filter(({ names }) => names.length === 0))];
  let found = reached(program, roots);
  for (;;) {
    const more = changers(program, root, found);
    if (more.length === 0) break;
    roots = [...roots, ...byText(more)];
    found = reached(program, roots);
  }
  const names = new Map(
    [...found].flatMap((unit, index) =>
      unit.names.map((name, place) => [name, `#${index}.${place},`] as const),
    ),
  );
  return [...found]
    .flatMap(({ parts }) => [
      ...parts.map((part) => (typeof part === "string" ? part : (names.get(part.name) ?? ""))),
      "\n",
    ])
    .join("");
}
