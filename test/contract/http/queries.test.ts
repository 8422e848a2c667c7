import { afterAll, beforeAll, expect, test } from "bun:test";

import { json, openTestApp, type TestApp } from "#test/app.ts";
import { createBody } from "#test/unit/orders/samples.ts";

type Document = Readonly<Record<string, unknown>>;
type Page = { readonly items: readonly Document[]; readonly nextCursor: string | null };

/** Orders 0 to 24; every third is shipped, every fifth belongs to another customer. */
const orders = Array.from({ length: 25 }, (_, index) => ({
  id: `o-${String(index).padStart(2, "0")}`,
  customerId: index % 5 === 0 ? "c-other" : "c-17850",
  isShipped: index % 3 === 0,
}));

const newestFirst = orders.map(({ id }) => id).toReversed();

let app: TestApp;
let head = 0;

async function send(id: string, command: string, body: unknown): Promise<void> {
  const answer = await app.send(`/commands/orders/${id}/${command}`, json(body));
  expect(answer.status).toBeOneOf([200, 201]);
  head = Number(answer.headers.get("Varve-Position"));
}

beforeAll(async () => {
  app = await openTestApp();
  for (const { id, customerId, isShipped } of orders) {
    await send(id, "create", { ...createBody, customerId });
    if (isShipped) await send(id, "ship", { carrier: "Royal Mail", trackingNumber: `RM-${id}` });
  }
  await app.reached(head);
});
afterAll(() => app.close());

const page = async (path: string): Promise<Page> => {
  const answer = await app.send(path);
  expect(answer.status).toBe(200);
  return (await answer.json()) as Page;
};

const idsOf = ({ items }: Page): readonly unknown[] => items.map((item) => item["orderId"]);

test("a document is answered with its version and the view's position", async () => {
  const answer = await app.send("/queries/orders/o-00");
  const document = (await answer.json()) as Document;
  expect({
    status: answer.status,
    etag: answer.headers.get("ETag"),
    position: answer.headers.get("Varve-Position"),
    cache: answer.headers.get("Cache-Control"),
  }).toEqual({ status: 200, etag: '"2"', position: String(head), cache: "no-store" });
  expect(document).toEqual({
    orderId: "o-00",
    status: "shipped",
    customerId: "c-other",
    contact: createBody.contact,
    shippingAddress: createBody.shippingAddress,
    lines: createBody.lines,
    total: { amount: 2_208, currency: "GBP" },
    carrier: "Royal Mail",
    trackingNumber: "RM-o-00",
    createdAt: document["createdAt"],
    updatedAt: document["updatedAt"],
    version: 2,
  });
});

test("HEAD answers like GET without a body", async () => {
  const answer = await app.send("/queries/orders/o-00", { method: "HEAD" });
  expect([answer.status, answer.headers.get("ETag"), await answer.text()]).toEqual([
    200,
    '"2"',
    "",
  ]);
});

test("a document is not sent again when the caller has its version", async () => {
  for (const tag of ['"2"', 'W/"2"', '"1", "2"', "*"]) {
    const answer = await app.send("/queries/orders/o-00", { headers: { "If-None-Match": tag } });
    expect([answer.status, answer.headers.get("ETag"), await answer.text()]).toEqual([
      304,
      '"2"',
      "",
    ]);
  }
  for (const tag of ['"1"', '"22"', "2", "nonsense"]) {
    const answer = await app.send("/queries/orders/o-00", { headers: { "If-None-Match": tag } });
    expect(answer.status).toBe(200);
  }
});

test("a document that is not there is 404, with the position that was looked at", async () => {
  const answer = await app.send("/queries/orders/nowhere");
  const { code } = (await answer.json()) as Document;
  expect([answer.status, code, answer.headers.get("Varve-Position")]).toEqual([
    404,
    "not-found",
    String(head),
  ]);
});

test("personal fields are masked unless the caller holds pii:read", async () => {
  const masked = {
    contact: { name: "••lace", email: "a••@example.org", phone: "••0000" },
    shippingAddress: { line1: "••uare", city: "••don", postcode: "••1", country: "GB" },
  };
  const shown = async (path: string, key: string): Promise<Document> => {
    const body = (await (await app.send(path, {}, key)).json()) as Document & Partial<Page>;
    const { contact, shippingAddress } = body.items?.[0] ?? body;
    return { contact, shippingAddress };
  };
  const open = { contact: createBody.contact, shippingAddress: createBody.shippingAddress };
  const reader = await app.keyWith("queries:orders");
  const trusted = [
    await app.keyWith("queries:orders", "pii:read"),
    await app.keyWith("queries:*", "pii:*"),
  ];
  for (const path of ["/queries/orders/o-01", "/queries/orders?limit=1"]) {
    expect(await shown(path, reader)).toEqual(masked);
    for (const key of trusted) expect(await shown(path, key)).toEqual(open);
  }
});

test("a list gives every document once, newest first, when its cursor is followed", async () => {
  const pages: Page[] = [];
  for (let cursor: string | null = ""; cursor !== null; cursor = pages.at(-1)?.nextCursor ?? null) {
    pages.push(await page(`/queries/orders?limit=10&cursor=${cursor}`));
  }
  expect(pages.map(({ items }) => items.length)).toEqual([10, 10, 5]);
  expect(pages.flatMap(idsOf)).toEqual(newestFirst);
});

test("a list has no next page when its last document fits exactly", async () => {
  expect(await page("/queries/orders?limit=25")).toMatchObject({ nextCursor: null });
  expect((await page("/queries/orders?limit=24")).nextCursor).toBeString();
});

test("a list holds what fits all of its filters, over pages too", async () => {
  const wanted = orders.filter(
    ({ customerId, isShipped }) => customerId === "c-17850" && isShipped,
  );
  const query = "/queries/orders?status=shipped&customerId=c-17850";
  const first = await page(`${query}&limit=4`);
  const second = await page(`${query}&limit=200&cursor=${first.nextCursor}`);
  expect([...idsOf(first), ...idsOf(second)]).toEqual(wanted.map(({ id }) => id).toReversed());
  expect(idsOf(await page("/queries/orders?customerId=c-unknown"))).toEqual([]);
});

test("a parameter that is empty is one that is not given", async () => {
  const plain = await page("/queries/orders");
  expect(idsOf(plain)).toEqual(newestFirst);
  expect(await page("/queries/orders?status=&customerId=&limit=&cursor=")).toEqual(plain);
});

test("customers and sales are answered as their views declare them", async () => {
  const customer = await app.send("/queries/customers/c-other");
  expect(await customer.json()).toEqual({
    customerId: "c-other",
    orders: 5,
    cancelledOrders: 0,
    spent: { GBP: 5 * 2_208 },
    lastOrderAt: "2025-03-01T23:59:00.000000Z",
  });
  const sales = "/queries/sales?from=2025-03-01&to=2025-03-01&currency=GBP";
  expect(await page(sales)).toEqual({
    items: [
      {
        day: "2025-03-01",
        currency: "GBP",
        orders: 25,
        revenue: 25 * 2_208,
        cancelledOrders: 0,
        cancelledRevenue: 0,
      },
    ],
    nextCursor: null,
  });
  expect((await app.send("/queries/customers")).status).toBe(404);
  expect((await app.send("/queries/sales/2025-03-01%7CGBP")).status).toBe(404);
});

const cursorOf = (value: unknown): string =>
  Buffer.from(typeof value === "string" ? value : JSON.stringify(value)).toString("base64url");

const refused: Readonly<Record<string, readonly string[]>> = {
  "?limit=0": ["/limit"],
  "?limit=201": ["/limit"],
  "?limit=-1": ["/limit"],
  "?limit=1.5": ["/limit"],
  "?limit=1e2": ["/limit"],
  "?limit=ten": ["/limit"],
  "?limit=99999999999999999999": ["/limit"],
  "?limit=1&limit=2": ["/limit"],
  "?status=lost": ["/status"],
  "?status=shipped&status=created": ["/status"],
  "?customerId=%00": ["/customerId"],
  "?customerId=a%20b": ["/customerId"],
  "?customerId=%ff": ["/customerId"],
  "?email=ada%40example.org": ["/email"],
  "?__proto__=1": ["/__proto__"],
  "?constructor": ["/constructor"],
  "?email=": ["/email"],
  "?cursor=x": ["/cursor"],
  "?cursor=%00": ["/cursor"],
  "?cursor=====": ["/cursor"],
  [`?cursor=${cursorOf("[")}`]: ["/cursor"],
  [`?cursor=${cursorOf({})}`]: ["/cursor"],
  [`?cursor=${cursorOf([-1, "a"])}`]: ["/cursor"],
  [`?cursor=${cursorOf([1, "a".repeat(1_001)])}`]: ["/cursor"],
  [`?cursor=${cursorOf([1.5, "a"])}`]: ["/cursor"],
  [`?cursor=${cursorOf("[1e400,1]")}`]: ["/cursor"],
  [`?cursor=${cursorOf([2 ** 53, "a"])}`]: ["/cursor"],
  [`?cursor=${cursorOf([1, "a\0b"])}`]: ["/cursor"],
  [`?cursor=${"a".repeat(20_000)}`]: ["/cursor"],
};

for (const [query, pointers] of Object.entries(refused)) {
  test(`a list answers 422 when its query is ${query.slice(0, 50)}`, async () => {
    const answer = await app.send(`/queries/orders${query}`);
    const { code, errors } = (await answer.json()) as Document & {
      errors?: readonly { pointer: string }[];
    };
    expect({ status: answer.status, code, at: errors?.map(({ pointer }) => pointer) }).toEqual({
      status: 422,
      code: "validation-failed",
      at: [...pointers],
    });
  });
}

test("a cursor of our form that nobody was given is harmless", async () => {
  for (const position of [Number.MAX_SAFE_INTEGER, 1, 0]) {
    for (const key of ["", "a".repeat(1_000), "'; drop table varve.events; --", "%I%L%s"]) {
      const { status } = await app.send(`/queries/orders?cursor=${cursorOf([position, key])}`);
      expect(status).toBe(200);
    }
  }
});

test("an id that cannot be one is 422 and is not looked up", async () => {
  for (const id of ["%00", "%ff", "a%20b", "a%2Fb", "a".repeat(129), "%ED%A0%80"]) {
    for (const view of ["orders", "customers"]) {
      const answer = await app.send(`/queries/${view}/${id}`);
      const { code, errors } = (await answer.json()) as Document;
      expect([answer.status, code, errors]).toEqual([
        422,
        "validation-failed",
        [{ pointer: "/id", message: "1 to 128 of A-Z a-z 0-9 . _ ~ : -" }],
      ]);
    }
  }
});
