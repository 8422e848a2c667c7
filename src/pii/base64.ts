import type { Bytes } from "./bytes.ts";

// Written out, because `btoa` and `atob` go through a string of bytes, cost five to eight times as
// much, and take texts that are not canonical.

type Alphabet = { readonly letters: Uint8Array; readonly values: Int8Array };

const encoder = new TextEncoder();
const decoder = new TextDecoder();

function alphabetOf(last: string): Alphabet {
  const common = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
  const letters = encoder.encode(common + last);
  const values = new Int8Array(256).fill(-1);
  for (const [value, letter] of letters.entries()) values[letter] = value;
  return { letters, values };
}

const standard = alphabetOf("+/");
const url = alphabetOf("-_");

/** Letters without padding: six bits each, from the first bit on, zeros after the last. */
function encode(bytes: Uint8Array, { letters }: Alphabet): string {
  const text = new Uint8Array(Math.ceil((bytes.length * 4) / 3));
  for (let at = 0, from = 0; at < text.length; from += 3) {
    const bits =
      ((bytes[from] ?? 0) << 16) | ((bytes[from + 1] ?? 0) << 8) | (bytes[from + 2] ?? 0);
    for (let shift = 18; shift >= 0 && at < text.length; shift -= 6) {
      text[at++] = letters[(bits >> shift) & 63] ?? 0;
    }
  }
  return decoder.decode(text);
}

/**
 * The bytes of letters without padding, or undefined unless `encode` would write the same text.
 * Two texts for the same bytes would let a sealed value be edited without notice.
 */
function decode(text: string, { values }: Alphabet): Bytes | undefined {
  if (text.length % 4 === 1) return undefined;
  const bytes = new Uint8Array(Math.floor((text.length * 3) / 4));
  let bits = 0;
  let held = 0;
  let at = 0;
  for (let index = 0; index < text.length; index += 1) {
    const value = values[text.charCodeAt(index)] ?? -1;
    if (value < 0) return undefined;
    bits = ((bits << 6) | value) & 0xffff;
    held += 6;
    if (held < 8) continue;
    held -= 8;
    bytes[at++] = bits >> held;
  }
  return (bits & ((1 << held) - 1)) === 0 ? bytes : undefined;
}

const paddingFor = (length: number): string => "=".repeat((4 - (length % 4)) % 4);

/** Standard base64 with padding (RFC 4648, section 4), as `openssl rand -base64` writes it. */
export function toBase64(bytes: Uint8Array): string {
  const text = encode(bytes, standard);
  return text + paddingFor(text.length);
}

/** The bytes of standard base64, or undefined unless the text is what `toBase64` would write. */
export function fromBase64(text: string): Bytes | undefined {
  const letters = text.replace(/={1,2}$/, "");
  return text === letters + paddingFor(letters.length) ? decode(letters, standard) : undefined;
}

/** base64url without padding (RFC 4648, section 5). */
export const toBase64url = (bytes: Uint8Array): string => encode(bytes, url);

/** The bytes of base64url, or undefined unless the text is what `toBase64url` would write. */
export const fromBase64url = (text: string): Bytes | undefined => decode(text, url);
