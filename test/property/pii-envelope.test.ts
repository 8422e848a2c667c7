import { expect, test } from "bun:test";

import fc from "fast-check";

import { fromBase64url, toBase64url } from "#pii/base64.ts";
import { deriveDataKey } from "#pii/data-key.ts";
import { openMany, sealMany } from "#pii/envelope.ts";
import type { SealItem } from "#pii/envelope.ts";
import { toHex } from "#pii/bytes.ts";

const keyId = crypto.randomUUID();
const key = await deriveDataKey(keyId, crypto.getRandomValues(new Uint8Array(32)));
const text = fc.string({ unit: "grapheme", maxLength: 40 });

const item: fc.Arbitrary<SealItem> = fc.record({
  key: fc.constant(key),
  value: fc.json({ stringUnit: "binary", maxDepth: 4 }).map((json): unknown => JSON.parse(json)),
  stream: text,
  label: text,
  tenant: text,
  kind: fc.constantFrom("value", "response"),
});

const blockOf = (sealed: string) => fromBase64url(sealed.slice(4)) ?? new Uint8Array(0);

async function openOne(place: SealItem, sealed: string): Promise<unknown> {
  const [result] = await openMany([{ ...place, sealed }]);
  return result?.ok === true ? { value: result.value } : result?.error.code;
}

test("opening gives back what was sealed when nothing was changed", async () => {
  const law = fc.asyncProperty(fc.array(item, { maxLength: 5 }), async (items) => {
    const sealed = await sealMany(items);
    const opened = await openMany(
      items.map((each, index) => ({ ...each, sealed: sealed[index] ?? "" })),
    );
    expect(opened).toEqual(items.map(({ value }) => ({ ok: true, value })));
  });
  await fc.assert(law, { numRuns: 300 });
});

/** What a changed byte makes of a block, by where it is and what it became. */
function promisedCode(at: number, byte: number, place: SealItem): string {
  if (at < 2) return "sealed-value-malformed";
  if (at === 2) return byte > 1 ? "sealed-value-malformed" : "sealed-value-tampered";
  const otherKind = place.kind === "value" ? 3 : 1;
  if (at === 3) return byte === otherKind ? "sealed-value-tampered" : "sealed-value-malformed";
  return at < 36 ? "sealed-value-wrong-key" : "sealed-value-tampered";
}

test("a sealed value never opens when one byte of it was changed", async () => {
  const change = fc.integer({ min: 1, max: 255 });
  const law = fc.asyncProperty(item, fc.nat(), change, async (place, anywhere, difference) => {
    const [sealed = ""] = await sealMany([place]);
    const block = blockOf(sealed);
    // Half of the changes hit the header, where each byte has a meaning of its own.
    const at = anywhere % (anywhere % 2 === 0 ? 48 : block.length);
    const byte = (block[at] ?? 0) ^ difference;
    block[at] = byte;
    const outcome = await openOne(place, `es1.${toBase64url(block)}`);
    expect({ at, outcome }).toEqual({ at, outcome: promisedCode(at, byte, place) });
  });
  await fc.assert(law, { numRuns: 1_000 });
});

test("a sealed value never opens when a byte is added to it or taken from it", async () => {
  const law = fc.asyncProperty(item, fc.integer({ min: 1, max: 70 }), async (place, length) => {
    const [sealed = ""] = await sealMany([place]);
    const block = blockOf(sealed);
    const edits = [block.subarray(0, -length), new Uint8Array([...block, ...block.slice(-length)])];
    for (const edit of edits) {
      const outcome = await openOne(place, `es1.${toBase64url(edit)}`);
      expect(["sealed-value-tampered", "sealed-value-malformed"]).toContain(outcome as string);
    }
  });
  await fc.assert(law, { numRuns: 200 });
});

test("a sealed value never opens when it was moved to another place", async () => {
  const moved = fc.constantFrom("stream", "label", "tenant");
  const law = fc.asyncProperty(item, moved, text, async (place, where, other) => {
    fc.pre(place[where] !== other);
    const [sealed = ""] = await sealMany([place]);
    const kind = place.kind === "value" ? "response" : "value";
    const outcomes = [
      await openOne({ ...place, [where]: other }, sealed),
      await openOne({ ...place, kind }, sealed),
      await openOne({ ...place, stream: place.label, label: place.stream }, sealed),
    ];
    const swapped = place.stream === place.label ? { value: place.value } : "sealed-value-tampered";
    expect(outcomes).toEqual(["sealed-value-tampered", "sealed-value-tampered", swapped]);
  });
  await fc.assert(law, { numRuns: 200 });
});

test("a sealed value never opens under another key of the same id", async () => {
  const bytes = fc.uint8Array({ minLength: 32, maxLength: 32 });
  const law = fc.asyncProperty(item, bytes, async (place, dek) => {
    const [sealed = ""] = await sealMany([place]);
    const other = await deriveDataKey(keyId, Uint8Array.from(dek));
    expect(await openOne({ ...place, key: other }, sealed)).toBe("sealed-value-wrong-key");
  });
  await fc.assert(law, { numRuns: 100 });
});

test("nonces never repeat when thousands of values are sealed under one key", async () => {
  const items = Array.from({ length: 5_000 }, () => ({ key, value: 1, stream: "s", label: "l" }));
  const sealed = await sealMany(items);
  const nonces = sealed.map((each) => toHex(blockOf(each).subarray(36, 48)));
  expect(new Set(nonces).size).toBe(5_000);
});

test("the length of a sealed value tells a value's length to 32 bytes and no closer", async () => {
  const short = fc.string({ unit: "grapheme-ascii", maxLength: 20 });
  const law = fc.asyncProperty(short, async (value) => {
    const quoted = JSON.stringify(value).length;
    const [sealed = ""] = await sealMany([{ key, value, stream: "s", label: "l" }]);
    expect(blockOf(sealed).length).toBe(64 + Math.ceil((4 + quoted) / 32) * 32);
  });
  await fc.assert(law, { numRuns: 100 });
});
