import { blindIndex, claimBits } from "#pii/blind-index.ts";
import { openBlock, sealBlock } from "#pii/block.ts";
import { toHex } from "#pii/bytes.ts";
import type { Bytes } from "#pii/bytes.ts";
import { deriveDataKey } from "#pii/data-key.ts";
import { keyIdOf, openMany, sealMany } from "#pii/envelope.ts";
import { hashField, subjectHash } from "#pii/hash.ts";
import { openKeyBlock, sealKeyBlock } from "#pii/key-block.ts";
import { maskField } from "#pii/mask.ts";
import { emailV1 } from "#pii/normalise.ts";
import { deriveKek } from "#pii/wrap.ts";

// The cryptography computed from fixed input. Imports nothing of a test runner, so that it also
// runs, bundled, on other runtimes.

/** `length` bytes that count up from `start`. */
export const counting = (start: number, length: number): Bytes =>
  Uint8Array.from({ length }, (_, index) => start + index);

export const knownKeyId = "a0a1a2a3-a4a5-a6a7-a8a9-aaabacadaeaf";
export const knownJson = `{"/email":"ada@example.org","/name":"Ada"}`;

export const knownPlace = {
  kind: "value",
  tenant: "acme",
  stream: "customer-7f3a",
  label: "0198c0de-0000-7000-8000-000000000001",
} as const;

/** What the formats promise, byte for byte. */
export const promised = {
  commitment: "d380cfd147c7c09d221784dd64e8e3a0",
  block:
    "01010101a0a1a2a3a4a5a6a7a8a9aaabacadaeafd380cfd147c7c09d221784dd64e8e3a0c0c1c2c3c4c5c6c7c8c9" +
    "cacbd466481cba245dbf00ac134e0599a69a75f5e2fcd48233218506a167e3cb4c3fa93c98fee4a3599857aeadeb" +
    "c642b24f5c3836b1239613a628628c7423ba4b6d49e3cca2d159d5bdc70b7ca26f418e43",
  opened: { "/email": "ada@example.org", "/name": "Ada" },
  wrapped:
    "0101d0d1d2d3d4d5d6d7d8d9dadb40c428c845123b6466322653b046db925f69badd8770c8e51d4fea734e8fd672" +
    "8eb8eb9eae9926cd836a7b7e4458cfd3",
  unwrapped: "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
  blindIndex: "aa51fb02b7f8b32103c3a985cc31541065d48c3454d07800990a6b851480e46a",
};

export async function knownAnswers(): Promise<typeof promised> {
  const key = await deriveDataKey(knownKeyId, counting(0, 32));
  const block = await sealBlock(key, knownPlace, { json: knownJson, nonce: counting(0xc0, 12) });
  const opened = await openBlock(key, knownPlace, block);
  const kek = await deriveKek("env:1", counting(0x40, 32));
  const keyPlace = { tenant: "acme", subjectHash: counting(0x10, 32), keyId: knownKeyId };
  const dek = { dek: counting(0, 32), nonce: counting(0xd0, 12) };
  const wrapped = await sealKeyBlock(kek, keyPlace, dek);
  const unwrapped = await openKeyBlock(kek, keyPlace, wrapped);
  const index = await blindIndex(
    { indexKey: counting(0x80, 32), tenant: "acme" },
    { index: "customer.email", normaliser: "email.v1", value: "ada@example.org", bits: claimBits },
  );
  return {
    commitment: toHex(key.commitment),
    block: toHex(block),
    opened: (opened.ok ? opened.value : undefined) as typeof promised.opened,
    wrapped: toHex(wrapped),
    unwrapped: toHex(unwrapped ?? counting(0, 0)),
    blindIndex: toHex(index ?? counting(0, 0)),
  };
}

/** What has no published answer but must come out the same on every runtime. */
export async function sameEverywhere() {
  const key = await deriveDataKey(knownKeyId, counting(0, 32));
  const place = { key, stream: "Order-1", label: "order.contact" };
  const value = { name: "Łucja 👩‍👩‍👧", age: 41 };
  const [sealed = ""] = await sealMany([{ ...place, value }]);
  const results = await openMany([
    { ...place, sealed },
    { ...place, sealed, stream: "Order-2" },
    { ...place, sealed: `${sealed}=` },
  ]);
  // More than one chunk, so that a runtime also has to yield between two.
  const many = Array.from({ length: 300 }, (_, number) => ({ ...place, value: number }));
  const manyOpened = await openMany(
    (await sealMany(many)).map((text) => ({ ...place, sealed: text })),
  );
  const lookupKey = counting(0x20, 32);
  return {
    inOrder: manyOpened.every((result, number) => result.ok && result.value === number),
    opened: results.map((result) => (result.ok ? result.value : result.error.code)),
    keyId: keyIdOf(sealed),
    subjectHash: toHex(await subjectHash({ lookupKey, tenant: "default" }, "c-17850")),
    hash: await hashField(lookupKey, "audit.actor", "ada@example.org"),
    masks: ["ada@example.org", "4111111111111111", "👩‍👩‍👧ab"].map(maskField),
    emails: [" Ada@BÜCHER.example ", "ada@1", "ada"].map((text) => emailV1(text) ?? null),
  };
}
