import { expect, test } from "bun:test";

import { fromBase64, fromBase64url, toBase64 } from "#pii/base64.ts";
import { lp, toHex, uuidBytes, uuidText } from "#pii/bytes.ts";
import { generateKeys } from "#pii/keygen.ts";
import { parseMasterKeys, parseRootKey } from "#pii/master-keys.ts";

import { counting, knownKeyId } from "./known-answers.ts";

const first = toBase64(counting(0, 32));
const second = toBase64(counting(0x40, 32));

test("base64url is refused when its last character carries bits that decoding drops", () => {
  const texts = ["QQ", "QR", "QUI", "QUJ", "QUJD", "Q", "QQ==", "Q+", "Q Q", ""];
  expect(texts.map((text) => fromBase64url(text)?.length)).toEqual([
    1,
    undefined,
    2,
    undefined,
    3,
    undefined,
    undefined,
    undefined,
    undefined,
    0,
  ]);
});

test("base64 is refused when its padding is missing, doubled or not canonical", () => {
  const texts = ["QQ==", "QR==", "QQ", "QQ=", "QUI=", "Q===", "QQ==QQ==", "-_=="];
  expect(texts.map((text) => fromBase64(text) !== undefined)).toEqual([
    true,
    false,
    false,
    false,
    true,
    false,
    false,
    false,
  ]);
});

test("length-prefixed texts differ when only the border between them moves", () => {
  expect(toHex(lp("aé"))).toBe("000361c3a9");
  expect(() => lp("\ud800")).toThrow("well-formed");
  expect(() => lp("x".repeat(65_536))).toThrow("65,535");
});

test("a UUID is the same after its bytes when it is in lower case", () => {
  expect(uuidText(uuidBytes(knownKeyId))).toBe(knownKeyId);
  expect(() => uuidBytes(knownKeyId.toUpperCase())).toThrow("lower case");
});

test("master keys are read in order when ids hold colons", () => {
  expect(parseMasterKeys(`env:1:${first}, k202611:${second}`)).toEqual({
    ok: true,
    value: [
      { id: "env:1", root: counting(0, 32) },
      { id: "k202611", root: counting(0x40, 32) },
    ],
  });
});

test("master keys name every fault and quote no key when the text has several", () => {
  const text = `a:${first},a:${second},b:${first},c:${first.slice(4)},${second},:${second},d e:x`;
  const id = "expected id:base64, the id of A-Z a-z 0-9 . _ : - (64 at most)";
  expect(parseMasterKeys(text)).toEqual({
    ok: false,
    error: [
      'key "c": not 32 bytes in base64',
      `key 5: ${id}`,
      `key 6: ${id}`,
      `key 7: ${id}`,
      'key "a": the id stands there twice',
      'key "b": the same bytes as key "a"',
    ],
  });
});

test("master keys are refused when the text is empty", () => {
  expect(parseMasterKeys("").ok).toBe(false);
});

test("a root key is refused when it has not exactly 32 bytes", () => {
  const lengths = [31, 32, 33];
  const parsed = lengths.map((length) => parseRootKey(toBase64(counting(0, length))));
  expect(parsed.map(({ ok }) => ok)).toEqual([false, true, false]);
});

test("fresh keys are read back and sign when they come from the generator", async () => {
  const texts = await generateKeys("k202611");
  const again = await generateKeys("k202611");
  const masterKeys = parseMasterKeys(texts.PII_MASTER_KEYS);
  expect(masterKeys.ok && masterKeys.value.map(({ id }) => id)).toEqual(["k202611"]);
  const roots = [texts.PII_LOOKUP_KEY, texts.PII_INDEX_KEY].map(parseRootKey);
  expect(roots.map(({ ok }) => ok)).toEqual([true, true]);
  expect(new Set([...Object.values(texts), ...Object.values(again)]).size).toBe(8);
  const pkcs8 = fromBase64(texts.AUDIT_SIGNING_KEY) ?? counting(0, 0);
  const key = await crypto.subtle.importKey("pkcs8", pkcs8, "Ed25519", false, ["sign"]);
  expect((await crypto.subtle.sign("Ed25519", key, counting(0, 3))).byteLength).toBe(64);
});
