import { identifierOf, isNode, type Node, nodesOf } from "./scope.ts";

/** Settings by which a view gets other events; all others only say how it is run. */
const shaping: ReadonlySet<unknown> = new Set(["aggregateTypes"]);

const nameOf = ({ type, computed, key }: Node): unknown => {
  if (type !== "Property" || computed === true || !isNode(key)) return undefined;
  return key["name"] ?? key["value"];
};

/** A property without what shapes no document; undefined where nothing of it is left. */
function shapingPart(property: Node): Node | undefined {
  const { value } = property;
  const isSettings = nameOf(property) === "settings";
  if (!isSettings || !isNode(value) || value.type !== "ObjectExpression") return property;
  const all = nodesOf(value["properties"]);
  // What is not written out may be anything.
  if (all.some((one) => nameOf(one) === undefined)) return property;
  const properties = all.filter((one) => shaping.has(nameOf(one)));
  return properties.length === 0 ? undefined : { ...property, value: { ...value, properties } };
}

/** A call of `defineView` without the settings that shape no document; any other node as it is. */
export function withoutSettings(node: Node): Node {
  // A bundle may call it `defineView2`.
  const isView = /^defineView\d*$/.test(identifierOf(node["callee"]) ?? "");
  const [view, ...others] = nodesOf(node["arguments"]);
  if (node.type !== "CallExpression" || !isView) return node;
  if (view?.type !== "ObjectExpression") return node;
  const properties = nodesOf(view["properties"]).flatMap((one) => shapingPart(one) ?? []);
  return { ...node, arguments: [{ ...view, properties }, ...others] };
}
