import { canonical } from "./canonical.ts";
import type { Program, Unit } from "./program.ts";
import { identifierOf, isNode, type Node, nodesOf } from "./scope.ts";

const isWritten = ({ units }: Program, name: string): boolean =>
  units.some(({ writes }) => writes.has(name));

/** The expression that a name of the top level stands for, if it always does. */
function valueOf(program: Program, name: string | undefined): Node | undefined {
  if (name === undefined || isWritten(program, name)) return undefined;
  const node = program.unitOf.get(name)?.node;
  return identifierOf(node?.["id"]) === name && isNode(node?.["init"]) ? node["init"] : undefined;
}

/** Whether the name is that of a function that gives back what it is given, as `defineEvent` is. */
function givesBack({ unitOf }: Program, name: string | undefined): boolean {
  const node = unitOf.get(name ?? "")?.node;
  const [parameter, ...more] = nodesOf(node?.["params"]);
  const [statement, ...rest] = isNode(node?.["body"]) ? nodesOf(node["body"]["body"]) : [];
  const given = identifierOf(parameter);
  if (given === undefined || more.length > 0 || rest.length > 0) return false;
  return statement?.type === "ReturnStatement" && identifierOf(statement["argument"]) === given;
}

/** The object literal that the expression stands for; undefined where that cannot be told. */
function objectOf(program: Program, expression: Node | undefined): Node | undefined {
  if (expression?.type === "ObjectExpression") return expression;
  if (expression?.type === "Identifier") {
    return objectOf(program, valueOf(program, identifierOf(expression)));
  }
  if (expression?.type !== "CallExpression") return undefined;
  const [argument, ...more] = nodesOf(expression["arguments"]);
  const plain = more.length === 0 && givesBack(program, identifierOf(expression["callee"]));
  return plain ? objectOf(program, argument) : undefined;
}

const keyOf = ({ key }: Node): string => (isNode(key) ? String(key["name"] ?? key["value"]) : "");

/** The value of the property in an object literal that says plainly what it holds. */
function propertyOf(object: Node | undefined, name: string): Node | undefined {
  const properties = nodesOf(object?.["properties"]);
  const isPlain = properties.every(
    ({ type, kind, computed }) => type === "Property" && kind === "init" && computed === false,
  );
  if (!isPlain) return undefined;
  const found = properties.findLast((property) => keyOf(property) === name)?.["value"];
  return isNode(found) ? found : undefined;
}

/**
 * The code that makes the upcasters of an event out of a definition that the name stands for, or, with
 * a type, out of a record of definitions: as little of it as can be told to be all. Undefined where
 * only the whole will do.
 */
export function stepsIn(program: Program, name: string, type?: string): Unit | undefined {
  const whole = valueOf(program, name);
  const definition = type === undefined ? whole : propertyOf(objectOf(program, whole), type);
  const node = propertyOf(objectOf(program, definition), "upcasters") ?? definition;
  if (node === undefined) return undefined;
  return { ...canonical(node, program.topLevel), node, names: [], runs: false };
}
