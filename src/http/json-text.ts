import { limits } from "#kernel/limits.ts";

import type { Path } from "./faults.ts";

/** A fault of the text itself, whatever the schema. */
export type TextFault = { readonly path: Path; readonly message: string };

/** Names with which a body could reach into the objects that it is copied to. */
const reservedNames = new Set(["__proto__", "constructor", "prototype"]);

/** An object with the names it has had, or an array; and the step to the value being read. */
type Container = { readonly names?: Set<string>; step: string | number };

/** The index of the quote that ends the string. */
function endOfString(text: string, start: number): number {
  for (let at = start + 1; at < text.length; at += 1) {
    const character = text[at];
    if (character === '"') return at;
    if (character === "\\") at += 1;
  }
  return text.length;
}

const numberForm = /-?[0-9.eE+-]+/y;

function textFault(value: string): string | undefined {
  if (value.includes("\0")) return "has a NUL character, which cannot be stored";
  return value.isWellFormed() ? undefined : "has half of a surrogate pair, which is no character";
}

function numberFault(value: number): string | undefined {
  if (!Number.isFinite(value)) return "is too large a number";
  const isExact = !Number.isInteger(value) || Number.isSafeInteger(value);
  return isExact ? undefined : "is an integer past 2^53 - 1, which would lose digits";
}

/**
 * The faults of a valid JSON text that `JSON.parse` hides or that no store can hold: names given
 * twice, reserved names, NUL, lone surrogates, numbers that lose digits, nesting past the limit
 * (the last fault then). In the order of the text, at most `limits.validationFaults`.
 *
 * It reads the text and not the parsed value, because only the text still has them all; and it
 * keeps its own stack, so that no nesting can exhaust the machine's.
 */
export function textFaults(text: string): readonly TextFault[] {
  const faults: TextFault[] = [];
  const stack: Container[] = [];
  let expectsName = false;

  const here = (): Path => stack.map(({ step }) => step);
  /** Paths are made for faults alone: there can be a quarter of a million values. */
  const add = (message: string | undefined): void => {
    if (message !== undefined) faults.push({ path: here(), message });
  };

  const name = (container: Container, value: string): void => {
    const fault = textFault(value);
    if (fault !== undefined) {
      faults.push({ path: here().slice(0, -1), message: `a field's name ${fault}` });
    }
    container.step = value;
    if (reservedNames.has(value)) add("has a name that is reserved");
    if (container.names?.has(value)) add("is given twice");
    container.names?.add(value);
  };

  const string = (start: number): number => {
    const end = endOfString(text, start);
    const raw = text.slice(start, end + 1);
    const value = raw.includes("\\") ? String(JSON.parse(raw)) : raw.slice(1, -1);
    const container = stack.at(-1);
    if (expectsName && container !== undefined) name(container, value);
    else add(textFault(value));
    return end + 1;
  };

  const number = (start: number): number => {
    numberForm.lastIndex = start;
    const raw = numberForm.exec(text)?.[0] ?? "0";
    add(numberFault(Number(raw)));
    return start + raw.length;
  };

  for (let at = 0; at < text.length && faults.length < limits.validationFaults;) {
    const character = text[at] ?? "";
    const container = stack.at(-1);
    if (character === '"') at = string(at);
    else if (/[-0-9]/.test(character)) at = number(at);
    else {
      if (character === "{" || character === "[") {
        if (stack.length >= limits.jsonDepth) {
          add(`is nested deeper than ${limits.jsonDepth}`);
          return faults;
        }
        expectsName = character === "{";
        stack.push(expectsName ? { names: new Set(), step: "" } : { step: 0 });
      } else if (character === "}" || character === "]") {
        stack.pop();
        expectsName = false;
      } else if (character === ":") expectsName = false;
      else if (character === "," && container !== undefined) {
        expectsName = container.names !== undefined;
        if (typeof container.step === "number") container.step += 1;
      }
      at += 1;
    }
  }
  return faults;
}
