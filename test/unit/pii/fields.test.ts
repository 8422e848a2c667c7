import { expect, test } from "bun:test";

import { Defect } from "#kernel/errors.ts";
import type { PersonalMark } from "#kernel/personal.ts";
import { keyIdOf } from "#pii/envelope.ts";
import { openFields, sealFields } from "#pii/fields.ts";
import { createKeyring } from "#pii/keyring.ts";
import type { SubjectKeyStore } from "#pii/subject-key-store.ts";

import { counting } from "./known-answers.ts";

const asked = (): never => {
  throw new Defect("the key store must not be asked");
};

/** Fails a test in which anything at all is asked of the store. */
const untouched: SubjectKeyStore = {
  activeKeys: asked,
  claimKeys: asked,
  keysById: asked,
  livingKekIds: asked,
  canaries: asked,
  claimCanary: asked,
};

const keyring = await createKeyring({
  masterKeys: [{ id: "env:1", root: counting(0x40, 32) }],
  lookupKey: counting(0x20, 32),
  indexKey: counting(0x80, 32),
  store: untouched,
  clock: () => 0,
});

const contact = { subject: "customerId", label: "order.contact", clear: [], index: {} };
const address = { ...contact, label: "order.address", clear: ["country", "region"] };
const fields = new Map<string, PersonalMark>([
  ["contact", contact],
  ["shippingAddress", address],
]);
const request = { keyring, fields, stream: "Order-1", subjectOf: () => undefined };

test("a body is left as it is when it holds no personal field", async () => {
  const body = { carrier: "Royal Mail", contact: undefined };
  expect(await sealFields({ ...request, body })).toEqual({ body, keyIds: [], subjectless: [] });
});

test("a body has its sealed shape and says so when nobody knows the subject", async () => {
  const body = {
    contact: { name: "canary Ada" },
    shippingAddress: { line1: "canary street", country: "GB" },
    reason: "moved",
  };
  const sealed = await sealFields({ ...request, body });
  expect({ ...sealed, body: { ...sealed.body } }).toEqual({
    body: {
      contact: expect.stringMatching(/^es1\.[A-Za-z0-9_-]+$/),
      shippingAddress: { sealed: expect.stringMatching(/^es1\./), country: "GB" },
      reason: "moved",
    },
    keyIds: [],
    subjectless: ["contact", "shippingAddress"],
  });
  expect(JSON.stringify(sealed)).not.toContain("canary");
  expect(body.contact).toEqual({ name: "canary Ada" });
  const again = await sealFields({ ...request, body });
  const keyIds = [sealed, again].map((each) => keyIdOf(String(each.body["contact"])));
  expect(new Set(keyIds).size).toBe(2);
});

test("documents are left as they are when their personal fields are absent", async () => {
  const document = { orderId: "1", contact: null };
  const sealedFields = ["contact", "gone"].map((field) => ({
    field,
    mark: contact,
    stream: "Order-1",
  }));
  expect(await openFields(keyring, [{ document, fields: sealedFields }])).toEqual([document]);
});

test("a document is refused when its personal field is no sealed value", async () => {
  const values = ["canary", 17, { erased: true }, { sealed: 17 }, ["es1."]];
  for (const contactValue of values) {
    const document = { contact: contactValue };
    const sealedFields = [{ field: "contact", mark: contact, stream: "Order-1" }];
    const opening = openFields(keyring, [{ document, fields: sealedFields }]);
    const failure = await opening.catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: "sealed-value-malformed", context: {} });
    expect(Bun.inspect(failure)).not.toContain("canary");
  }
});

test("a keyring finds a blind index without its store when it is asked for one", async () => {
  const value = { index: "customer.email", normaliser: "email.v1", value: "a@b.example" } as const;
  expect((await keyring.blindIndex(value))?.length).toBe(4);
  expect((await keyring.subjectHash("c-1")).length).toBe(32);
});
