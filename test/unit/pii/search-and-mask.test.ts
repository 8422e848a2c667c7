import { expect, test } from "bun:test";

import { Defect } from "#kernel/errors.ts";
import { blindIndex, claimBits, isNormaliser } from "#pii/blind-index.ts";
import { toHex } from "#pii/bytes.ts";
import { hashField } from "#pii/hash.ts";
import { maskFields } from "#pii/mask-fields.ts";
import { maskField } from "#pii/mask.ts";
import { emailV1 } from "#pii/normalise.ts";

import { counting } from "./known-answers.ts";

const indexKey = counting(0x80, 32);
const email = { index: "customer.email", normaliser: "email.v1" } as const;

async function indexed(value: string, bits?: number): Promise<string | undefined> {
  const request = bits === undefined ? { ...email, value } : { ...email, value, bits };
  const found = await blindIndex({ indexKey, tenant: "acme" }, request);
  return found === undefined ? undefined : toHex(found);
}

test("a blind index keeps its first bits when it is truncated", async () => {
  const value = "ada@example.org";
  expect(await indexed(value)).toBe("aa51fb02");
  expect(await indexed(value, 12)).toBe("aa50");
  expect(await indexed(value, 9)).toBe("aa00");
  expect(await indexed(value, 1)).toBe("80");
  expect((await indexed(value, claimBits))?.length).toBe(64);
  for (const bits of [0, 257, 1.5]) {
    const failure = await indexed(value, bits).catch((error: unknown) => error);
    expect(failure).toEqual(new Defect("1 to 256 bits of an index"));
  }
});

test("a blind index is the same when the address is only written otherwise", async () => {
  const forms = ["ADA@Example.ORG", " ada@example.org\n", "ａｄａ＠example.org"];
  const found = await Promise.all(forms.map((form) => indexed(form)));
  expect(found).toEqual(["aa51fb02", "aa51fb02", "aa51fb02"]);
  expect(await indexed("no address")).toBeUndefined();
});

test("a blind index differs when tenant, index or key do", async () => {
  const value = { ...email, value: "ada@example.org" };
  const found = await Promise.all([
    blindIndex({ indexKey, tenant: "acme" }, value),
    blindIndex({ indexKey, tenant: "other" }, value),
    blindIndex({ indexKey, tenant: "acme" }, { ...value, index: "order.email" }),
    blindIndex({ indexKey: counting(0x81, 32), tenant: "acme" }, value),
  ]);
  expect(new Set(found.map((bytes) => bytes && toHex(bytes))).size).toBe(4);
});

test("email.v1 gives the one normal form when the address has one", () => {
  const forms = {
    "Ada.Lovelace+1@Example.ORG": "ada.lovelace+1@example.org",
    "ada@BÜCHER.example": "ada@xn--bcher-kva.example",
    "ada@xn--bcher-kva.example": "ada@xn--bcher-kva.example",
    '"a@b"@example.org': '"a@b"@example.org',
    "ﬁ@example。org": "fi@example.org",
  };
  const found = Object.keys(forms).map(emailV1);
  expect(found).toEqual(Object.values(forms));
});

test("email.v1 gives nothing when the text is no address that can be compared", () => {
  const texts = [
    "",
    "ada",
    "@example.org",
    "ada@",
    "ada@a b",
    "ada@example.org:80",
    "ada@example.org/x",
    "ada@exa%6dple.org",
    "ada@[::1]",
    "ada@1",
    "ada@127.0.0.1",
    "ada@0x7f.1",
    "ada\u0000@example.org",
    "ada\u0378@example.org",
    "ada\ud800@example.org",
    "ada@xn--a.example",
  ];
  expect(texts.filter((text) => emailV1(text) !== undefined)).toEqual([]);
});

test("a normaliser is known when its name is declared and not when it is inherited", () => {
  expect(["email.v1", "email.v2", "toString"].map(isNormaliser)).toEqual([true, false, false]);
});

test("hashes of one value differ when purpose or root key do", async () => {
  const root = counting(0x20, 32);
  const hashes = await Promise.all([
    hashField(root, "a", "x"),
    hashField(root, "b", "x"),
    hashField(root, "a", "y"),
    hashField(counting(0x21, 32), "a", "x"),
  ]);
  expect(new Set(hashes).size).toBe(4);
  expect(await hashField(Uint8Array.from(root), "a", "x")).toBe(hashes[0] ?? "");
});

test("a mask shows at most half and at most four graphemes when the value is plain", () => {
  const masks = {
    "": "••",
    a: "••",
    ab: "••b",
    abc: "••c",
    abcdefg: "••efg",
    "4111 1111 1111 1234": "••1234",
    "e\u0301te\u0301": "••e\u0301",
    "🇫🇷🇩🇪": "••🇩🇪",
    "👩‍👩‍👧": "••",
  };
  expect(Object.keys(masks).map(maskField)).toEqual(Object.values(masks));
});

test("a mask keeps the domain when the value is an e-mail and only then", () => {
  const masks = {
    "ada@example.org": "a••@example.org",
    "ab@example.org": "a••@example.org",
    "a@example.org": "••@example.org",
    "👩‍👩‍👧@example.org": "••@example.org",
    "flat 2 @ the.mill": "••mill",
    "a@b@example.org": "••.org",
    "ada@localhost": "••host",
  };
  expect(Object.keys(masks).map(maskField)).toEqual(Object.values(masks));
});

test("a document is masked in its personal fields when somebody may not read them", () => {
  const mark = { subject: "customerId", label: "order.contact", clear: ["country"], index: {} };
  const document = {
    orderId: "1",
    contact: { name: "Ada", born: 1815, vip: true, phones: ["0123456789"], title: null },
    address: { line1: "12 St James", country: "GB", inner: { country: "GB" } },
    billing: { erased: true },
    note: { erased: true, name: "Ada" },
    nick: "Countess",
  };
  const fields = ["contact", "address", "billing", "note", "nick", "gone"];
  expect(
    maskFields(
      document,
      fields.map((field) => ({ field, mark })),
    ),
  ).toEqual({
    orderId: "1",
    contact: { name: "••a", born: "••", vip: "••", phones: ["••6789"], title: null },
    address: { line1: "••ames", country: "GB", inner: { country: "••B" } },
    billing: { erased: true },
    note: { erased: "••", name: "••a" },
    nick: "••tess",
  });
});
