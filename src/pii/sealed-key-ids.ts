import { isCode } from "#kernel/errors.ts";

import { keyIdOf } from "./envelope.ts";
import { isJsonObject } from "./json.ts";

const keyIdIn = (text: string): string | undefined => {
  if (!text.startsWith("es1.")) return undefined;
  try {
    return keyIdOf(text);
  } catch (error) {
    // A clear field may hold a text that merely begins like a sealed value.
    if (isCode(error, "sealed-value-malformed")) return undefined;
    throw error;
  }
};

/** The ids of the data keys that the sealed values anywhere in a payload need, each once. */
export function sealedKeyIds(payload: unknown): readonly string[] {
  const found = new Set<string>();
  const open: unknown[] = [payload];
  while (open.length > 0) {
    const value = open.pop();
    if (typeof value === "string") {
      const keyId = keyIdIn(value);
      if (keyId !== undefined) found.add(keyId);
    } else if (Array.isArray(value)) open.push(...(value as unknown[]));
    else if (isJsonObject(value)) open.push(...Object.values(value));
  }
  return [...found].toSorted();
}
