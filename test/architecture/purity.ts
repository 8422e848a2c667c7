import { lineAt, walk } from "./source.ts";
import type { Node, Source, Violation } from "./source.ts";

/** Rooms that must run on any runtime with web standards. */
const webRooms = ["kernel", "domain", "pii", "command", "query", "http"];

const runtimeGlobals = new Set([
  "Bun",
  "Buffer",
  "NodeJS",
  "__dirname",
  "__filename",
  "process",
  "require",
  "setImmediate",
]);

/** What would make a decision depend on more than its arguments. */
const impureGlobals = new Set([
  "Temporal",
  "crypto",
  "fetch",
  "performance",
  "setInterval",
  "setTimeout",
]);

const nameOf = (node: unknown): string | undefined => {
  const { type, name } = (node ?? {}) as { type?: unknown; name?: unknown };
  return type === "Identifier" && typeof name === "string" ? name : undefined;
};

/** Whether the identifier only names a property or a key, as `Bun` does in `runtime.Bun`. */
function isLabel(node: Node, around: readonly Node[]): boolean {
  const parent = around.at(-1);
  if (parent === undefined || parent["computed"] === true) return false;
  if (parent.type === "MemberExpression") {
    return parent["property"] === node && nameOf(parent["object"]) !== "globalThis";
  }
  if (parent.type === "TSQualifiedName") return parent["right"] === node;
  return parent["key"] === node;
}

/** The names that a pattern binds, a default's and a type's among them: too many do no harm. */
function namesIn(pattern: unknown): readonly string[] {
  if (typeof pattern !== "object" || pattern === null) return [];
  const own = nameOf(pattern);
  return [...(own === undefined ? [] : [own]), ...Object.values(pattern).flatMap(namesIn)];
}

/** Whether the name is a parameter or a variable of the code around, and so not the global one. */
const isBound = (name: string, around: readonly Node[]): boolean =>
  around.some(({ type, params, param, body }) => {
    const declared = type === "Program" || type === "BlockStatement" ? body : [];
    const variables = (declared as readonly Node[])
      .filter((statement) => statement.type === "VariableDeclaration")
      .flatMap((statement) => statement["declarations"] as readonly Node[])
      .map((declarator) => declarator["id"]);
    return namesIn([params, param, variables]).includes(name);
  });

const inRoom = (path: string, room: string): boolean => path.startsWith(`src/${room}/`);

/** `kernel`, `domain`, `pii`, `command`, `query` and `http` name nothing that only Bun or Node has. */
export function checkWebStandards(sources: readonly Source[]): readonly Violation[] {
  const found: Violation[] = [];
  for (const source of sources.filter(({ path }) => webRooms.some((room) => inRoom(path, room)))) {
    walk(source, (node, around) => {
      const name = nameOf(node);
      if (name === undefined || !runtimeGlobals.has(name)) return;
      if (isLabel(node, around) || isBound(name, around)) return;
      const message = `${name} is not a web standard`;
      found.push({ path: source.path, line: lineAt(source.text, node.start), message });
    });
  }
  return found;
}

/** What the node asks of the world around a decision; null if nothing. */
function impurity(node: Node, around: readonly Node[]): string | null {
  const name = nameOf(node);
  if (name !== undefined) {
    const impure = impureGlobals.has(name) && !isLabel(node, around) && !isBound(name, around);
    return impure ? name : null;
  }
  const callee = node["callee"];
  if (node.type === "NewExpression" && nameOf(callee) === "Date") {
    return Array.isArray(node["arguments"]) && node["arguments"].length === 0 ? "new Date()" : null;
  }
  if (node.type === "CallExpression" && nameOf(callee) === "Date") return "Date()";
  if (node.type !== "MemberExpression") return null;
  const member = `${nameOf(node["object"])}.${nameOf(node["property"])}`;
  return member === "Date.now" || member === "Math.random" ? member : null;
}

/** `domain` reads no clock, no randomness, and nothing from outside. */
export function checkDomainPurity(sources: readonly Source[]): readonly Violation[] {
  const found: Violation[] = [];
  for (const source of sources.filter(({ path }) => inRoom(path, "domain"))) {
    walk(source, (node, around) => {
      const what = impurity(node, around);
      if (what === null) return;
      const message = `the domain may not use ${what}: it enters with the command`;
      found.push({ path: source.path, line: lineAt(source.text, node.start), message });
    });
  }
  return found;
}
