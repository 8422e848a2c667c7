import { invariant } from "#kernel/errors.ts";

/** Bytes that Web Crypto accepts: never shared memory. */
export type Bytes = Uint8Array<ArrayBuffer>;

const encoder = new TextEncoder();
const strictDecoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** UTF-8 of a text. Lone surrogates become U+FFFD, so anything that must be told apart uses `lp`. */
export const utf8 = (text: string): Bytes => encoder.encode(text);

/** The text of strict UTF-8, or undefined where the bytes are none. */
export function utf8Text(bytes: Uint8Array): string | undefined {
  try {
    return strictDecoder.decode(bytes);
  } catch {
    return undefined;
  }
}

export function concat(...parts: readonly Uint8Array[]): Bytes {
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.length;
  }
  return whole;
}

/**
 * Length-prefixed UTF-8: `u16 big-endian length ‖ bytes`. Two lists of texts never give the same
 * bytes. A text over 65,535 bytes or with a lone surrogate is a defect of the caller.
 */
export function lp(text: string): Bytes {
  invariant(text.isWellFormed(), "a length-prefixed text must be well-formed Unicode");
  const bytes = utf8(text);
  invariant(bytes.length <= 0xffff, "a length-prefixed text must fit in 65,535 bytes");
  return concat(Uint8Array.of(bytes.length >> 8, bytes.length & 0xff), bytes);
}

/** Whether both hold the same bytes, in a time that depends on their length alone. */
export function sameBytes(left: Uint8Array, right: Uint8Array): boolean {
  if (left.length !== right.length) return false;
  let difference = 0;
  for (const [index, byte] of left.entries()) difference |= byte ^ (right[index] ?? 0);
  return difference === 0;
}

const hexPairs = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

/** Lower-case hexadecimal. */
export const toHex = (bytes: Uint8Array): string =>
  Array.from(bytes, (byte) => hexPairs[byte]).join("");

const uuidPattern = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** The 16 bytes of a UUID in lower-case text. Any other text is a defect: ids are ours. */
export function uuidBytes(uuid: string): Bytes {
  invariant(uuidPattern.test(uuid), "a key id must be a UUID in lower case");
  const digits = uuid.replaceAll("-", "");
  return Uint8Array.from({ length: 16 }, (_, at) =>
    Number.parseInt(digits.slice(2 * at, 2 * at + 2), 16),
  );
}

export function uuidText(bytes: Uint8Array): string {
  const hex = toHex(bytes);
  const ends = [8, 12, 16, 20, 32];
  return ends.map((end, index) => hex.slice(ends[index - 1] ?? 0, end)).join("-");
}
