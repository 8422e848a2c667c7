import { identifierOf, isNode, type Node, nodesOf } from "./scope.ts";

/** The methods by which the language's own objects change: of lists, then of maps and sets. */
const changing = new Set(
  "push pop shift unshift splice sort reverse fill copyWithin set add delete clear".split(" "),
);

/** What of `Object` and `Reflect` changes its first argument. */
const changingFirst = new Set(
  "assign defineProperty defineProperties deleteProperty set setPrototypeOf".split(" "),
);

/** The identifiers at the root of what is written: `a` of `a.b[c]`, both of `[a, b.c]`. */
function roots(target: unknown): readonly Node[] {
  return nodesOf(target).flatMap((node) => {
    switch (node.type) {
      case "Identifier":
        return [node];
      case "MemberExpression":
        return roots(node["object"]);
      case "ChainExpression":
        return roots(node["expression"]);
      case "ObjectPattern":
        return roots(node["properties"]);
      case "Property":
        return roots(node["value"]);
      case "ArrayPattern":
        return roots(node["elements"]);
      case "AssignmentPattern":
        return roots(node["left"]);
      case "RestElement":
        return roots(node["argument"]);
      default:
        return [];
    }
  });
}

function ofCall(node: Node): readonly Node[] {
  const callee = node["callee"];
  if (!isNode(callee) || callee.type !== "MemberExpression") return [];
  const method = identifierOf(callee["property"]) ?? "";
  const owner = identifierOf(callee["object"]);
  const changesFirst = (owner === "Object" || owner === "Reflect") && changingFirst.has(method);
  if (changesFirst) return roots(nodesOf(node["arguments"])[0]);
  return changing.has(method) ? roots(callee["object"]) : [];
}

/** The identifiers whose value the node itself changes, as assignments and `list.push(…)` do. */
export function writtenBy(node: Node): readonly Node[] {
  switch (node.type) {
    case "AssignmentExpression":
    case "ForInStatement":
    case "ForOfStatement":
      return roots(node["left"]);
    case "UpdateExpression":
      return roots(node["argument"]);
    case "UnaryExpression":
      return node["operator"] === "delete" ? roots(node["argument"]) : [];
    case "CallExpression":
      return ofCall(node);
    case "ChainExpression":
      return nodesOf(node["expression"]).flatMap(writtenBy);
    default:
      return [];
  }
}
