import { z } from "zod";

/** Identifies an aggregate, a subject or a document from outside: it goes into URLs and logs. */
export const identifier = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._~:-]{0,127}$/, "1 to 128 of A-Z a-z 0-9 . _ ~ : -");

/** The name of a stream in additional authenticated data and messages: `Order-536365`. */
export const streamName = (aggregateType: string, aggregateId: string): string =>
  `${aggregateType}-${aggregateId}`;

const hex = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

/**
 * A version 7 UUID: 48 bits of Unix milliseconds, then 74 random bits, so that ids made one after
 * the other land side by side in an index. Source: RFC 9562, section 5.7.
 */
export function uuidv7(nowMs: number = Date.now()): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  for (let index = 0; index < 6; index += 1) bytes[index] = (nowMs / 2 ** (40 - 8 * index)) & 0xff;
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x70;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const text = Array.from(bytes, (byte) => hex[byte]).join("");
  return text.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}
