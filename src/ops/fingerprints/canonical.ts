import {
  bodyNames,
  boundNames,
  caseNames,
  identifierOf,
  isFunction,
  isNode,
  type Node,
  type Scope,
  scopeNames,
} from "./scope.ts";
import { withoutSettings } from "./settings.ts";
import { writtenBy } from "./writes.ts";

/** A name of the top level: whose code it is, and its imports. */
export type TopLevel = {
  readonly declared: ReadonlySet<string>;
  /** What an imported name stands for, by the name. */
  readonly imported: ReadonlyMap<string, string>;
};

/** Text, or a place where a name of the top level stands. */
export type Part = string | { readonly name: string };

/** Code in a form that neither layout, comments, types nor local names change. */
export type Canonical = {
  readonly parts: readonly Part[];
  /** The names of the top level whose value it uses. */
  readonly reads: ReadonlySet<string>;
  /** The names of the top level whose value it changes when it runs. */
  readonly writes: ReadonlySet<string>;
};

/** Where the node stands in the text, how it was written, and what `value` says again. */
const unsaid = new Set(["type", "start", "end", "raw", "shorthand", "directive"]);

/** The name that a key or a property spells, however it is quoted. */
const spelt = (key: unknown): string =>
  isNode(key) ? JSON.stringify(String(key["name"] ?? key["value"])) : "";

function literal(node: Node): string {
  const { value, regex, bigint } = node as Node & { regex?: unknown; bigint?: string };
  if (regex !== undefined) return JSON.stringify(regex);
  if (bigint !== undefined) return `${bigint}n`;
  return typeof value === "number" ? String(value) : JSON.stringify(value);
}

/** Fields of the node whose identifiers are labels and keys, and stand for nothing. */
function labels(node: Node): readonly string[] {
  switch (node.type) {
    case "MemberExpression":
      return node["computed"] === true ? [] : ["property"];
    case "Property":
    case "MethodDefinition":
    case "PropertyDefinition":
      return node["computed"] === true ? [] : ["key"];
    case "LabeledStatement":
    case "BreakStatement":
    case "ContinueStatement":
      return ["label"];
    case "MetaProperty":
      return ["meta", "property"];
    default:
      return [];
  }
}

/** What one pass over a piece of code has found so far. */
type Pass = {
  readonly topLevel: TopLevel;
  readonly parts: Part[];
  readonly reads: Set<string>;
  readonly writes: Set<string>;
  /** Identifiers that are written and not read. */
  readonly onlyWritten: Set<Node>;
  locals: number;
};

/** The scope with these names in it, each numbered by where it is declared. */
function within(pass: Pass, names: readonly string[], outer: Scope | undefined): Scope | undefined {
  if (names.length === 0) return outer;
  const numbered = new Map<string, string>();
  for (const name of new Set(names)) {
    numbered.set(name, `%${pass.locals}`);
    pass.locals += 1;
  }
  return { names: numbered, ...(outer && { outer }) };
}

function localOf(name: string, scope: Scope | undefined): string | undefined {
  for (let each = scope; each !== undefined; each = each.outer) {
    const local = each.names.get(name);
    if (local !== undefined) return local;
  }
  return undefined;
}

function writeName(pass: Pass, node: Node, scope: Scope | undefined): void {
  const name = String(node["name"]);
  const { declared, imported } = pass.topLevel;
  const known = localOf(name, scope) ?? imported.get(name);
  if (known !== undefined || !declared.has(name)) {
    pass.parts.push(`${known ?? `@${name}`},`);
    return;
  }
  if (!pass.onlyWritten.has(node)) pass.reads.add(name);
  pass.parts.push({ name });
}

/** Remembers what of the top level the node changes. */
function noteWrites(pass: Pass, node: Node, scope: Scope | undefined): void {
  for (const written of writtenBy(node)) {
    const name = identifierOf(written) ?? "";
    const isTop = localOf(name, scope) === undefined && pass.topLevel.declared.has(name);
    if (isTop) pass.writes.add(name);
  }
  // Only a statement throws the result away: `next = count++` reads the count.
  if (node.type !== "ExpressionStatement" || !isNode(node["expression"])) return;
  for (const written of writtenBy(node["expression"])) pass.onlyWritten.add(written);
}

/** By field of the node: the scope that its code sees. */
function scopesOf(pass: Pass, node: Node, inner: Scope | undefined) {
  if (isFunction(node)) {
    const parameters = within(pass, boundNames(node["params"]), inner);
    const body = within(pass, bodyNames(node), parameters);
    return (field: string) => (field === "body" ? body : field === "params" ? parameters : inner);
  }
  if (node.type === "SwitchStatement") {
    const cases = within(pass, caseNames(node["cases"]), inner);
    return (field: string) => (field === "cases" ? cases : inner);
  }
  return () => inner;
}

function writeNode(pass: Pass, written: Node, scope: Scope | undefined): void {
  const node = withoutSettings(written);
  const inner = within(pass, scopeNames(node), scope);
  noteWrites(pass, node, inner);
  const scopeFor = scopesOf(pass, node, inner);
  const keys = labels(node);
  pass.parts.push(`${node.type}(`);
  for (const field of Object.keys(node).toSorted()) {
    if (unsaid.has(field)) continue;
    pass.parts.push(`${field}:`);
    if (keys.includes(field)) pass.parts.push(`${spelt(node[field])},`);
    else write(pass, node[field], scopeFor(field));
  }
  pass.parts.push(")");
}

function write(pass: Pass, value: unknown, scope: Scope | undefined): void {
  if (Array.isArray(value)) {
    pass.parts.push("[");
    for (const item of value) write(pass, item, scope);
    pass.parts.push("]");
  } else if (!isNode(value)) pass.parts.push(`${JSON.stringify(value) ?? "undefined"},`);
  else if (value.type === "Identifier") writeName(pass, value, scope);
  else if (value.type === "Literal") pass.parts.push(`${literal(value)},`);
  else writeNode(pass, value, scope);
}

/** The canonical form of a piece of the top level. */
export function canonical(root: Node, topLevel: TopLevel): Canonical {
  const pass: Pass = {
    topLevel,
    parts: [],
    reads: new Set(),
    writes: new Set(),
    onlyWritten: new Set(),
    locals: 0,
  };
  write(pass, root, undefined);
  return pass;
}
