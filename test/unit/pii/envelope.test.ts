import { expect, test } from "bun:test";

import { Defect, VarveError } from "#kernel/errors.ts";
import { encrypt } from "#pii/aead.ts";
import { toBase64url } from "#pii/base64.ts";
import { concat, lp, utf8, uuidBytes } from "#pii/bytes.ts";
import type { Bytes } from "#pii/bytes.ts";
import { deriveDataKey } from "#pii/data-key.ts";
import { keyIdOf, openMany, sealMany } from "#pii/envelope.ts";
import { encodeFrame } from "#pii/frame.ts";

import { counting, knownKeyId } from "./known-answers.ts";

const key = await deriveDataKey(knownKeyId, counting(0, 32));
const otherKey = await deriveDataKey(knownKeyId, counting(1, 32));
const place = { key, stream: "Order-1", label: "order.contact" };
const canary = "canary-ada@example.org";

/** A block as nobody but a test makes it: any first four bytes, any frame. */
async function craft(start: readonly number[], frame: Bytes): Promise<string> {
  const header = concat(Uint8Array.from(start), uuidBytes(knownKeyId), key.commitment);
  const bound = concat(header, lp("default"), lp(place.stream), lp(place.label));
  const nonce = counting(0, 12);
  const cipher = await encrypt({ key: key.encryption, nonce, bound }, frame);
  return `es1.${toBase64url(concat(header, nonce, cipher))}`;
}

async function outcomes(sealed: readonly string[]): Promise<unknown[]> {
  const results = await openMany(sealed.map((text) => ({ ...place, sealed: text })));
  return results.map((result) => (result.ok ? { value: result.value } : result.error.code));
}

const frameOf = (length: number, text: string, padding: readonly number[] = []): Bytes =>
  concat(Uint8Array.of(0, 0, 0, length), utf8(text), Uint8Array.from(padding));

test("a sealed value opens when it has no padding and says so", async () => {
  const sealed = await craft([1, 1, 0, 1], frameOf(2, "17"));
  expect(await outcomes([sealed])).toEqual([{ value: 17 }]);
});

test("a sealed value is malformed when its frame is not the one that sealing writes", async () => {
  const padding = Array.from({ length: 26 }, () => 0);
  const frames = [
    frameOf(2, "17", padding),
    frameOf(2, "17", [...padding.slice(1), 1]),
    frameOf(2, "17", [...padding, ...Array.from({ length: 32 }, () => 0)]),
    frameOf(2, "17", padding.slice(1)),
    frameOf(99, "17", padding),
    frameOf(2, "{]", padding),
    concat(frameOf(2, ""), Uint8Array.of(0xff, 0xfe), Uint8Array.from(padding)),
  ];
  const sealed = await Promise.all(frames.map((frame) => craft([1, 1, 1, 1], frame)));
  const malformed = Array.from({ length: 6 }, () => "sealed-value-malformed");
  expect(await outcomes(sealed)).toEqual([{ value: 17 }, ...malformed]);
  const unpadded = await craft([1, 1, 0, 1], frameOf(2, "17", [0]));
  expect(await outcomes([unpadded])).toEqual(["sealed-value-malformed"]);
});

test("a sealed value is malformed when its first bytes are not known", async () => {
  const frame = encodeFrame("17");
  const starts = [
    [1, 1, 1, 1],
    [2, 1, 1, 1],
    [1, 2, 1, 1],
    [1, 1, 3, 1],
    [1, 1, 1, 0],
    [1, 1, 1, 2],
  ];
  const sealed = await Promise.all(starts.map((start) => craft(start, frame)));
  const malformed = Array.from({ length: 5 }, () => "sealed-value-malformed");
  expect(await outcomes(sealed)).toEqual([{ value: 17 }, ...malformed]);
});

test("a text is malformed when it is no sealed value at all", async () => {
  const [sealed = ""] = await sealMany([{ ...place, value: 17 }]);
  const texts = ["", "es1.", sealed.slice(4), `es2.${sealed.slice(4)}`, `${sealed}=`, ` ${sealed}`];
  expect(await outcomes(texts)).toEqual(texts.map(() => "sealed-value-malformed"));
  for (const text of texts) expect(() => keyIdOf(text)).toThrow(VarveError);
  expect(keyIdOf(sealed)).toBe(knownKeyId);
});

test("neighbours open when one item does not", async () => {
  const [one = "", two = ""] = await sealMany([1, 2].map((value) => ({ ...place, value })));
  const results = await openMany([
    { ...place, sealed: one },
    { ...place, sealed: two, key: otherKey },
    { ...place, sealed: "nothing" },
    { ...place, sealed: one, stream: "Order-2" },
    { ...place, sealed: two },
  ]);
  expect(results.map((result) => (result.ok ? result.value : result.error.code))).toEqual([
    1,
    "sealed-value-wrong-key",
    "sealed-value-malformed",
    "sealed-value-tampered",
    2,
  ]);
});

test("an error tells nothing of the value when a sealed value does not open", async () => {
  const bad = await craft([1, 1, 1, 1], encodeFrame(`{"email":"${canary}`));
  const [good = ""] = await sealMany([{ ...place, value: canary }]);
  const results = await openMany([
    { ...place, sealed: bad },
    { ...place, sealed: good, label: "x" },
    { ...place, sealed: good, key: otherKey },
    { ...place, sealed: canary },
  ]);
  const errors = results.flatMap((result) => (result.ok ? [] : [result.error]));
  const told = errors.map((error) => `${Bun.inspect(error)} ${JSON.stringify(error.context)}`);
  expect(told.length).toBe(4);
  expect(told.filter((text) => text.includes("canary"))).toEqual([]);
});

test("sealing is refused as a defect when the value is nothing that JSON can say", async () => {
  const sealing = sealMany([{ ...place, value: undefined }]);
  const failure = await sealing.catch((error: unknown) => error);
  expect(failure).toEqual(new Defect("only a JSON value can be sealed"));
});
