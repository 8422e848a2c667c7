import { describe, expect, test } from "bun:test";

import { commands, type OrderCommand } from "#domain/orders/commands.ts";

import { at, createBody } from "./samples.ts";

/** Where the schema finds fault with the body, as pointers, or `[]` for a body that it takes. */
const faultsOf = (command: OrderCommand["type"], body: unknown): readonly string[] => {
  const parsed = commands[command].body.safeParse(body);
  return (parsed.error?.issues ?? []).map(({ path }) =>
    path.map((part) => `/${String(part)}`).join(""),
  );
};

const long = (length: number): string => "x".repeat(length);
const line = { sku: "85123A", quantity: 6, unitPrice: 255 };
const contact = createBody.contact;
const address = createBody.shippingAddress;
const withContact = (change: object) => ({ ...createBody, contact: { ...contact, ...change } });
const withAddress = (change: object) => ({
  ...createBody,
  shippingAddress: { ...address, ...change },
});
const withLine = (change: object) => ({ ...createBody, lines: [{ ...line, ...change }] });

/** Every string of every body with the most that it may hold. */
const bounded = [
  ["create", "/customerId", 128, (text: string) => ({ ...createBody, customerId: text })],
  ["create", "/contact/name", 200, (name: string) => withContact({ name })],
  ["create", "/contact/phone", 40, (phone: string) => withContact({ phone })],
  ["create", "/shippingAddress/line1", 200, (line1: string) => withAddress({ line1 })],
  ["create", "/shippingAddress/line2", 200, (line2: string) => withAddress({ line2 })],
  ["create", "/shippingAddress/city", 200, (city: string) => withAddress({ city })],
  ["create", "/shippingAddress/postcode", 20, (postcode: string) => withAddress({ postcode })],
  ["create", "/lines/0/sku", 64, (sku: string) => withLine({ sku })],
  ["ship", "/carrier", 100, (carrier: string) => ({ carrier, trackingNumber: "1" })],
  ["ship", "/trackingNumber", 100, (trackingNumber: string) => ({ carrier: "a", trackingNumber })],
  ["cancel", "/reason", 500, (reason: string) => ({ reason })],
  ["change-contact", "/contact/name", 200, (name: string) => ({ contact: { ...contact, name } })],
] as const;

describe("bodies", () => {
  for (const [command, pointer, lengthMax, body] of bounded) {
    test(`${command} takes 1 to ${lengthMax} characters when ${pointer} is given`, () => {
      expect([0, 1, lengthMax, lengthMax + 1].map((n) => faultsOf(command, body(long(n))))).toEqual(
        [[pointer], [], [], [pointer]],
      );
    });
  }

  const minimal: Readonly<Record<OrderCommand["type"], object>> = {
    create: {
      customerId: "c-1",
      contact: { name: "Ada", email: "ada@example.org" },
      shippingAddress: { line1: "1", city: "London", postcode: "SW1", country: "GB" },
      currency: "GBP",
      lines: [line],
    },
    ship: { carrier: "Royal Mail", trackingNumber: "RM536365" },
    deliver: {},
    cancel: { reason: "credit note" },
    "change-contact": { contact: { name: "Ada", email: "ada@example.org" } },
  };

  for (const command of ["create", "ship", "deliver", "cancel", "change-contact"] as const) {
    test(`${command} is taken when only what it needs is given`, () => {
      expect(faultsOf(command, minimal[command])).toEqual([]);
    });

    test(`${command} is refused when it has a key that nobody declared`, () => {
      expect(faultsOf(command, { ...minimal[command], extra: 1 })).toEqual([""]);
    });

    test(`${command} is refused as a whole when it is no object`, () => {
      const refused = [null, [], "create", 1].map((body) => faultsOf(command, body));
      expect(refused).toEqual([[""], [""], [""], [""]]);
    });

    test(`${command} is refused when something that it needs is missing`, () => {
      expect(faultsOf(command, {})).toEqual(
        Object.keys(minimal[command]).map((field) => `/${field}`),
      );
    });
  }

  test("a key that nobody declared is refused when it stands deeper in the body", () => {
    const extra = { extra: 1 };
    const bodies = [withContact(extra), withAddress(extra), withLine(extra)];
    expect(bodies.map((body) => faultsOf("create", body))).toEqual([
      ["/contact"],
      ["/shippingAddress"],
      ["/lines/0"],
    ]);
  });

  test("NUL passes the schemas, because the edge refuses it for every command alike", () => {
    expect(faultsOf("cancel", { reason: "a\u0000b" })).toEqual([]);
  });
});

describe("create", () => {
  test("is refused when an amount is no positive integer", () => {
    const wrong = [0, -1, 1.5, "1", null, Number.NaN, 2 ** 53];
    for (const field of ["quantity", "unitPrice"]) {
      const refused = wrong.map((value) => faultsOf("create", withLine({ [field]: value }))[0]);
      expect(refused).toEqual(wrong.map(() => `/lines/0/${field}`));
    }
  });

  test("takes 1 to 2,000 lines", () => {
    const bodies = [0, 1, 2_000, 2_001].map((length) => ({
      ...createBody,
      lines: Array.from({ length }, () => line),
    }));
    expect(bodies.map((body) => faultsOf("create", body))).toEqual([
      ["/lines"],
      [],
      [],
      ["/lines"],
    ]);
  });

  test("is refused at its lines when their total is more than may be added up", () => {
    const largest = { sku: "a", quantity: 1_000_000, unitPrice: 1_000_000 };
    const one = { sku: "b", quantity: 1, unitPrice: 1 };
    const overflow = { sku: "c", quantity: 2 ** 53 - 1, unitPrice: 2 ** 53 - 1 };
    const bodies = [[largest], [largest, one], [overflow, overflow]];
    expect(bodies.map((lines) => faultsOf("create", { ...createBody, lines }))).toEqual([
      [],
      ["/lines"],
      ["/lines"],
    ]);
  });

  test("is refused when a code is not in capitals or not of its length", () => {
    const currencies = ["gbp", "GB", "GBPP", "G1P", ""];
    const countries = ["gb", "G", "GBR", "G1", ""];
    expect(currencies.map((currency) => faultsOf("create", { ...createBody, currency }))).toEqual(
      currencies.map(() => ["/currency"]),
    );
    expect(countries.map((country) => faultsOf("create", withAddress({ country })))).toEqual(
      countries.map(() => ["/shippingAddress/country"]),
    );
  });

  test("is refused when the e-mail address is none or is longer than 254 characters", () => {
    const domain = `${`${long(60)}.`.repeat(4)}org`;
    const local = (length: number) => `${long(length - domain.length - 1)}@${domain}`;
    const emails = ["ada", "ada@", "@example.org", "a b@example.org", local(255), local(254)];
    expect(emails.map((email) => faultsOf("create", withContact({ email })))).toEqual([
      ["/contact/email"],
      ["/contact/email"],
      ["/contact/email"],
      ["/contact/email"],
      ["/contact/email"],
      [],
    ]);
  });

  test("is refused when the customer id could not stand in a URL", () => {
    const ids = ["", "a b", "a/b", "ü", "-a", "a?"];
    expect(ids.map((customerId) => faultsOf("create", { ...createBody, customerId }))).toEqual(
      ids.map(() => ["/customerId"]),
    );
  });
});

describe("times", () => {
  const times = [
    "2025-02-30T10:00:00Z",
    "2025-02-29T10:00:00Z",
    "2025-13-01T10:00:00Z",
    "2025-01-01T24:00:00Z",
    "2025-01-01T10:00:60Z",
    "2025-01-01",
    "2025-01-01T10:00:00",
    "2025-01-01 10:00:00Z",
    "1 January 2025",
    "0000-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59-14:00",
    `2025-01-01T10:00:00.${"1".repeat(20)}Z`,
    "",
  ];

  for (const time of times) {
    test(`a time is refused when it is ${time === "" ? "empty" : time}`, () => {
      expect([
        faultsOf("create", { ...createBody, placedAt: time })[0],
        faultsOf("deliver", { deliveredAt: time })[0],
      ]).toEqual(["/placedAt", "/deliveredAt"]);
    });
  }

  test("a time is taken when its day exists and it has an offset", () => {
    const taken = ["2024-02-29T10:00:00Z", "2010-12-01T08:26:00.123456789-05:30"];
    expect(taken.map((deliveredAt) => faultsOf("deliver", { deliveredAt }))).toEqual([[], []]);
  });

  const check = (time: string) => [
    commands.create.check?.({ ...createBody, placedAt: time } as never, at),
    commands.deliver.check?.({ deliveredAt: time } as never, at),
  ];

  test("a time is no fault when it is that of acceptance or earlier, whatever its offset", () => {
    const fine = [at, "2025-03-02T01:30:00.123456+01:00", "2025-03-01T23:59:59Z"];
    expect(fine.map(check)).toEqual(fine.map(() => [[], []]));
  });

  test("a time is a fault at its pointer when it lies a microsecond in the future", () => {
    const message = "must not be in the future";
    const late = ["2025-03-02T00:30:00.123457Z", "2025-03-01T23:31:00-01:00"];
    expect(late.map(check)).toEqual(
      late.map(() => [[{ pointer: "/placedAt", message }], [{ pointer: "/deliveredAt", message }]]),
    );
  });

  test("there is nothing to check when no time is given", () => {
    expect([
      commands.create.check?.({ ...createBody, placedAt: undefined } as never, at),
      commands.deliver.check?.({} as never, at),
    ]).toEqual([[], []]);
  });
});
