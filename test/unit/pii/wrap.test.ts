import { expect, test } from "bun:test";

import { toHex } from "#pii/bytes.ts";
import { createRing, keyMissing, newKey, openRow } from "#pii/ring.ts";
import { deriveKek, unwrapKey, wrapKey } from "#pii/wrap.ts";

import { counting, knownKeyId } from "./known-answers.ts";

const kek = await deriveKek("env:1", counting(0x40, 32));
const place = { tenant: "acme", subjectHash: counting(0x10, 32), keyId: knownKeyId };
const wrapped = await wrapKey(kek, place, counting(0, 32));

async function codeOf(work: Promise<unknown>): Promise<unknown> {
  try {
    return { opened: await work };
  } catch (error) {
    return error instanceof Error && "code" in error ? error.code : error;
  }
}

test("a wrapped key opens when everything is as it was", async () => {
  expect(wrapped.length).toBe(62);
  expect(await unwrapKey(kek, place, wrapped)).toEqual(counting(0, 32));
});

test("a wrapped key does not open when its place or its master key is another", async () => {
  const otherId = knownKeyId.replace("a0", "a1");
  const otherKek = await deriveKek("env:2", counting(0x40, 32));
  const otherRoot = await deriveKek("env:1", counting(0x41, 32));
  const attempts = [
    unwrapKey(kek, { ...place, tenant: "acmf" }, wrapped),
    unwrapKey(kek, { ...place, subjectHash: counting(0x11, 32) }, wrapped),
    unwrapKey(kek, { ...place, keyId: otherId }, wrapped),
    unwrapKey({ ...kek, kekId: "env:2" }, place, wrapped),
    unwrapKey(otherKek, place, wrapped),
    unwrapKey(otherRoot, place, wrapped),
  ];
  const codes = await Promise.all(attempts.map(codeOf));
  expect(codes).toEqual(attempts.map(() => "sealed-value-tampered"));
});

test("a wrapped key does not open when any byte of it is changed", async () => {
  const codes = new Map<unknown, number>();
  for (const at of wrapped.keys()) {
    const edited = wrapped.map((byte, index) => (index === at ? byte ^ 1 : byte));
    const code = await codeOf(unwrapKey(kek, place, edited));
    codes.set(code, (codes.get(code) ?? 0) + 1);
  }
  expect(Object.fromEntries(codes)).toEqual({
    "sealed-value-malformed": 2,
    "sealed-value-tampered": 60,
  });
  const short = codeOf(unwrapKey(kek, place, wrapped.subarray(1)));
  expect(await short).toBe("sealed-value-malformed");
});

test("a key row is erased, missing or unknown when it says so and never one for another", async () => {
  const ring = await createRing([{ id: "env:1", root: counting(0x40, 32) }], "acme");
  const fresh = await newKey(ring, counting(0x10, 32));
  const row = { ...fresh, status: "active" as const };
  const rows = [
    row,
    { ...row, status: "retired" as const },
    { ...row, status: "shredded" as const, wrapped: null },
    { ...row, wrapped: null },
    { ...row, kekId: "env:2" },
    { ...row, subjectHash: counting(0x11, 32) },
  ];
  const outcomes = await Promise.all(rows.map((each) => openRow(ring, each)));
  expect(
    outcomes.map((outcome) => {
      if (!outcome.ok) return outcome.error.code;
      return outcome.value === "erased" ? "erased" : outcome.value.keyId;
    }),
  ).toEqual([
    fresh.keyId,
    fresh.keyId,
    "erased",
    "key-missing",
    "master-key-unknown",
    "sealed-value-tampered",
  ]);
  expect(keyMissing(fresh.keyId).retryable).toBe(false);
});

test("a retired master key opens and does not wrap when a new one stands before it", async () => {
  const old = { id: "k1", root: counting(0x40, 32) };
  const before = await createRing([old], "acme");
  const after = await createRing([{ id: "k2", root: counting(0x60, 32) }, old], "acme");
  const kept = await newKey(before, counting(0x10, 32));
  const opened = await openRow(after, { ...kept, status: "active" });
  const expected = await openRow(before, { ...kept, status: "active" });
  const commitments = [opened, expected].map((outcome) =>
    outcome.ok && outcome.value !== "erased" ? toHex(outcome.value.commitment) : outcome,
  );
  expect(commitments[0]).toEqual(commitments[1]);
  expect((await newKey(after, counting(0x10, 32))).kekId).toBe("k2");
});
