import type { PersonalMark } from "#kernel/personal.ts";

import { isJsonObject } from "./json.ts";
import type { JsonObject } from "./json.ts";
import { hidden, maskField } from "./mask.ts";

/** `{ erased: true }` and nothing beside it, which would be somebody's. */
const isErased = (value: JsonObject): boolean =>
  value["erased"] === true && Object.keys(value).length === 1;

function maskLeaves(value: unknown): unknown {
  if (typeof value === "string") return maskField(value);
  if (Array.isArray(value)) return value.map(maskLeaves);
  if (isJsonObject(value)) return maskProperties(value, []);
  // Half of a number is still half of a birthday, so nothing of it is shown.
  return value === null ? null : hidden;
}

const maskProperties = (value: JsonObject, clear: readonly string[]): JsonObject =>
  Object.fromEntries(
    Object.entries(value).map(([name, leaf]) => [
      name,
      clear.includes(name) ? leaf : maskLeaves(leaf),
    ]),
  );

/**
 * An opened document for somebody who may not read personal data: each string of a personal field
 * as `maskField` shows it, numbers and booleans as dots alone, properties that the mark calls clear
 * and `{ erased: true }` as they are.
 */
export function maskFields(
  document: JsonObject,
  fields: readonly { readonly field: string; readonly mark: PersonalMark }[],
): JsonObject {
  const masked = fields.flatMap(({ field, mark }) => {
    const value = document[field];
    if (value === undefined || (isJsonObject(value) && isErased(value))) return [];
    const clean = isJsonObject(value) ? maskProperties(value, mark.clear) : maskLeaves(value);
    return [[field, clean] as const];
  });
  return { ...document, ...Object.fromEntries(masked) };
}
