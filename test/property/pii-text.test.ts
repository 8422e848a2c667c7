import { expect, test } from "bun:test";

import fc from "fast-check";

import { fromBase64, fromBase64url, toBase64, toBase64url } from "#pii/base64.ts";
import { concat, lp, sameBytes, toHex } from "#pii/bytes.ts";
import { hidden, maskField } from "#pii/mask.ts";
import { masterKeysText, parseMasterKeys } from "#pii/master-keys.ts";
import { emailV1 } from "#pii/normalise.ts";

const bytes = fc.uint8Array({ maxLength: 200 }).map((each) => Uint8Array.from(each));
const graphemes = new Intl.Segmenter("en", { granularity: "grapheme" });
const split = (text: string): string[] =>
  Array.from(graphemes.segment(text), ({ segment }) => segment);
const anyText = fc.oneof(
  fc.string({ unit: "binary" }),
  fc.string({ unit: "grapheme" }),
  fc.string(),
  fc.emailAddress(),
);

test("base64 gives back the bytes when it was written by the same room", () => {
  const law = fc.property(bytes, (each) => {
    expect(fromBase64url(toBase64url(each))).toEqual(each);
    expect(fromBase64(toBase64(each))).toEqual(each);
    expect(toBase64(each)).toBe(Buffer.from(each).toString("base64"));
    expect(toBase64url(each)).toBe(Buffer.from(each).toString("base64url"));
  });
  fc.assert(law);
});

test("base64url has one text for its bytes when it is read at all", () => {
  const alphabet = fc.constantFrom(..."ABCDwxyz0189-_+/=\n".split(""));
  const law = fc.property(fc.string({ unit: alphabet, maxLength: 12 }), (text) => {
    const read = fromBase64url(text);
    expect(read === undefined || toBase64url(read) === text).toBe(true);
  });
  fc.assert(law, { numRuns: 2_000 });
});

test("lists of texts have different bytes when they are different lists", () => {
  const list = fc.array(fc.string({ unit: "grapheme", maxLength: 3 }), { maxLength: 3 });
  const law = fc.property(list, list, (left, right) => {
    const same = sameBytes(concat(...left.map(lp)), concat(...right.map(lp)));
    expect(same).toBe(JSON.stringify(left) === JSON.stringify(right));
  });
  fc.assert(law, { numRuns: 500 });
});

test("bytes are the same exactly when their hexadecimal forms are", () => {
  const law = fc.property(bytes, bytes, (left, right) => {
    expect(sameBytes(left, right)).toBe(toHex(left) === toHex(right));
    expect(sameBytes(left, Uint8Array.from(left))).toBe(true);
  });
  fc.assert(law);
});

/** What a mask of a text may be at most, whatever the text is taken for. */
function allowedMasks(value: string): string[] {
  const parts = split(value);
  const plain =
    hidden + parts.slice(parts.length - Math.min(4, Math.floor(parts.length / 2))).join("");
  const [local = "", domain = "", ...more] = value.split("@");
  if (more.length > 0 || local === "" || !domain.includes(".") || /\s/.test(value)) return [plain];
  const [first = "", ...rest] = split(local);
  return [plain, `${rest.length > 0 ? first : ""}${hidden}@${domain}`];
}

test("a mask never shows more than half nor more than four graphemes of a text", () => {
  const law = fc.property(anyText, (value) => {
    expect(allowedMasks(value)).toContain(maskField(value));
  });
  fc.assert(law, { numRuns: 2_000 });
});

test("a normal form is its own normal form when the address is a usual one", () => {
  const law = fc.property(fc.emailAddress(), (address) => {
    const normal = emailV1(address);
    expect(emailV1(` ${address.toUpperCase()}\t`)).toEqual(normal);
    expect(normal === undefined || emailV1(normal) === normal).toBe(true);
  });
  fc.assert(law, { numRuns: 500 });
});

test("email.v1 never throws and never keeps an upper-case or control character", () => {
  const law = fc.property(fc.string({ unit: "binary" }), fc.string({ unit: "binary" }), (a, b) => {
    const normal = emailV1(`${a}@${b}`);
    expect(normal === undefined || !/[A-Z\p{Cc}]/u.test(normal)).toBe(true);
  });
  fc.assert(law, { numRuns: 1_000 });
});

test("master keys are read back when they were written by the same room", () => {
  const id = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._:-]{0,20}$/);
  const root = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((each) => Uint8Array.from(each));
  const keys = fc.uniqueArray(fc.record({ id, root }), {
    minLength: 1,
    maxLength: 4,
    comparator: (left, right) => left.id === right.id || sameBytes(left.root, right.root),
  });
  const law = fc.property(keys, ([first, ...others]) => {
    if (first === undefined) return;
    expect(parseMasterKeys(masterKeysText([first, ...others]))).toEqual({
      ok: true,
      value: [first, ...others],
    });
  });
  fc.assert(law);
});
