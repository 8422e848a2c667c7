/** A node of the syntax tree (ESTree), its fields as they come. */
export type Node = { readonly type: string; readonly [field: string]: unknown };

/** What the names around a place stand for, innermost first. */
export type Scope = { readonly names: ReadonlyMap<string, string>; readonly outer?: Scope };

export const isNode = (value: unknown): value is Node =>
  typeof value === "object" && value !== null && "type" in value && typeof value.type === "string";

/** The nodes of a field that holds one, several or none. */
export const nodesOf = (value: unknown): readonly Node[] =>
  (Array.isArray(value) ? (value as readonly unknown[]) : [value]).filter(isNode);

/** The name of an identifier; undefined for every other node. */
export const identifierOf = (value: unknown): string | undefined =>
  isNode(value) && value.type === "Identifier" ? String(value["name"]) : undefined;

export const isFunction = ({ type }: Node): boolean =>
  type === "FunctionDeclaration" ||
  type === "FunctionExpression" ||
  type === "ArrowFunctionExpression";

/** The names that patterns bind, in order. */
export function boundNames(patterns: unknown): readonly string[] {
  return nodesOf(patterns).flatMap((pattern) => {
    switch (pattern.type) {
      case "Identifier":
        return [String(pattern["name"])];
      case "ObjectPattern":
        return boundNames(pattern["properties"]);
      case "Property":
        return boundNames(pattern["value"]);
      case "ArrayPattern":
        return boundNames(pattern["elements"]);
      case "AssignmentPattern":
        return boundNames(pattern["left"]);
      case "RestElement":
        return boundNames(pattern["argument"]);
      default:
        return [];
    }
  });
}

const declared = (declaration: Node): readonly string[] =>
  nodesOf(declaration["declarations"]).flatMap(({ id }) => boundNames(id));

/** What the statements of one block declare for that block. */
const ofBlock = (statements: unknown): readonly string[] =>
  nodesOf(statements).flatMap((statement) => {
    if (statement.type === "VariableDeclaration") {
      return statement["kind"] === "var" ? [] : declared(statement);
    }
    const named = statement.type === "FunctionDeclaration" || statement.type === "ClassDeclaration";
    return named ? boundNames(statement["id"]) : [];
  });

/** The fields in which a statement holds others. */
const inside = "body consequent alternate cases init left block handler finalizer".split(" ");

/** What `var` declares anywhere below, but for the functions and classes inside. */
function hoisted(value: unknown): readonly string[] {
  return nodesOf(value).flatMap((node) => {
    if (node.type === "VariableDeclaration") return node["kind"] === "var" ? declared(node) : [];
    if (isFunction(node) || node.type.startsWith("Class")) return [];
    return inside.flatMap((field) => (node[field] ? hoisted(node[field]) : []));
  });
}

/** What a function's body declares by `var`; one of a parameter's name is that parameter. */
export function bodyNames(node: Node): readonly string[] {
  const parameters = new Set(boundNames(node["params"]));
  return hoisted(node["body"]).filter((name) => !parameters.has(name));
}

/** The names that a node declares for what is in it: empty for most. */
export function scopeNames(node: Node): readonly string[] {
  switch (node.type) {
    case "FunctionExpression":
    case "ClassExpression":
      return boundNames(node["id"]);
    case "BlockStatement":
      return ofBlock(node["body"]);
    case "StaticBlock":
      return [...hoisted(node["body"]), ...ofBlock(node["body"])];
    case "ForStatement":
      return ofBlock(node["init"]);
    case "ForInStatement":
    case "ForOfStatement":
      return ofBlock(node["left"]);
    case "CatchClause":
      return boundNames(node["param"]);
    default:
      return [];
  }
}

/** What the cases of a `switch` declare, all of them for all. */
export const caseNames = (cases: unknown): readonly string[] =>
  nodesOf(cases).flatMap(({ consequent }) => ofBlock(consequent));
