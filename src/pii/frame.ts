import { utf8, utf8Text } from "./bytes.ts";
import type { Bytes } from "./bytes.ts";

/** Padding hides the exact length of a short value, such as a name. */
const paddedTo = 32;
const lengthBytes = 4;

/** The shortest frame there is: a length and one character of JSON. */
export const frameBytesMin = lengthBytes + 1;

const paddedLength = (length: number): number => Math.ceil(length / paddedTo) * paddedTo;

/** What is encrypted: `u32 length ‖ UTF-8 JSON ‖ zero padding to a multiple of 32`. */
export function encodeFrame(json: string): Bytes {
  const text = utf8(json);
  const frame = new Uint8Array(paddedLength(lengthBytes + text.length));
  new DataView(frame.buffer).setUint32(0, text.length);
  frame.set(text, lengthBytes);
  return frame;
}

/**
 * The JSON value in a frame, or undefined unless the frame is exactly as `encodeFrame` writes it:
 * every padding byte zero, no more padding than needed, and none at all without the padded flag.
 */
export function decodeFrame(frame: Bytes, padded: boolean): { value: unknown } | undefined {
  if (frame.length < frameBytesMin) return undefined;
  const end = lengthBytes + new DataView(frame.buffer, frame.byteOffset).getUint32(0);
  if (frame.length !== (padded ? paddedLength(end) : end)) return undefined;
  if (frame.subarray(end).some((byte) => byte !== 0)) return undefined;
  const json = utf8Text(frame.subarray(lengthBytes, end));
  return json === undefined ? undefined : parseJson(json);
}

function parseJson(json: string): { value: unknown } | undefined {
  try {
    return { value: JSON.parse(json) };
  } catch {
    // Not rethrown: the engine's message quotes the text, which is personal.
    return undefined;
  }
}
