// The acceptance test of the layout: a new aggregate is one folder under `src/domain/`, its name in
// `registry.ts`, and its tests. The README's example is put into a copy of this tree in that way, and
// nothing else of the copy changes; then everything that an aggregate has must be there.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import postgres from "postgres";

import { until } from "#test/until.ts";

import { type Answer, type Copy, serveWithLoans } from "./loans-service.ts";
import { textsOf } from "./tree-copy.ts";

let copy: Copy;
const keys = { all: "", desk: "", reader: "" };

beforeAll(async () => {
  copy = await serveWithLoans();
  keys.all = await copy.keyWith("*");
  keys.desk = await copy.keyWith("commands:loans");
  keys.reader = await copy.keyWith("queries:loans,queries:lending");
});

afterAll(() => copy.close());

const read = (path: string, key: string = keys.all): Promise<Answer> => copy.read(path, key);

const command = (path: string, body: unknown, key: string = keys.desk): Promise<Answer> =>
  copy.command(path, body, key);

const dayAfter = (days: number): string =>
  new Date(Date.now() + days * 86_400_000).toISOString().slice(0, 10);

const contact = { name: "Zaphira Quillfeather", email: "zq-canary@example.org", phone: "07700900" };
const newContact = { name: "Zaphira Nightingale", email: "zn-canary@example.org" };
const lend = { itemId: "i-7", borrowerId: "b-1", contact, dueOn: dayAfter(7) };

/** The document once it has that version. */
const atVersion = (path: string, version: number, key?: string): Promise<Answer> =>
  until(`${path} has version ${version}`, async () => {
    const answer = await read(path, key);
    return answer.body["version"] === version && answer;
  });

describe("the tree with another aggregate", () => {
  test("has no type error when it is checked", async () => {
    const output = expect.stringContaining("No type errors");
    expect(await copy.bun("check", "--no-script")).toEqual({ code: 0, output });
  });

  test("keeps the rules of the rooms when its architecture is tested", async () => {
    const output = expect.stringContaining(" 0 fail");
    expect(await copy.bun("test", "./test/architecture/tree.test.ts")).toEqual({ code: 0, output });
  });

  test("passes its own tests and those of orders when its units are tested", async () => {
    const { code, output } = await copy.bun("test", "./test/unit/loans", "./test/unit/orders");
    expect({ code, output }).toEqual({ code: 0, output: expect.stringContaining(" 0 fail") });
    expect(output).toContain("test/unit/loans/loans.test.ts");
  });
});

describe("the service with another aggregate", () => {
  test("takes the commands of a loan's whole life when they are sent in order", async () => {
    const started = await command("loans/l-1/lend", lend);
    expect({ status: started.status, body: started.body }).toEqual({
      status: 201,
      body: {
        aggregate: "loans",
        id: "l-1",
        version: 1,
        position: 1,
        events: [{ id: expect.any(String), type: "LoanStarted", version: 1, position: 1 }],
      },
    });
    expect(started.headers.get("Location")).toBe("/queries/loans/l-1");
    expect(started.headers.get("ETag")).toBe('"1"');
    const rest = [
      await command("loans/l-1/renew", { dueOn: dayAfter(14) }),
      await command("loans/l-1/change-contact", { contact: newContact }),
      await command("loans/l-1/return", {}),
      await command("loans/l-1/return", {}),
    ];
    const types = ({ status, body }: Answer) => [
      status,
      body["version"],
      (body["events"] as { type: string }[]).map(({ type }) => type),
    ];
    expect(rest.map(types)).toEqual([
      [200, 2, ["LoanRenewed"]],
      [200, 3, ["LoanContactChanged"]],
      [200, 4, ["LoanReturned"]],
      [200, 4, []],
    ]);
  });

  test("tells the shelf once, by an id that stays, when a loan is returned", async () => {
    const [call] = await until("the shelf has heard of it", () => {
      const { received } = copy.shelf;
      return received.length > 0 && received;
    });
    const returnedAt = await until("the view has it too", async () => {
      const { body } = await read("loans/l-1");
      return body["returnedAt"];
    });
    expect([call?.method, call?.path, call?.headers["idempotency-key"]]).toEqual([
      "PUT",
      "/returns/l-1",
      "shelf:4",
    ]);
    expect(JSON.parse(call?.body ?? "")).toEqual({ returnedAt });
    expect(copy.shelf.received).toHaveLength(1);
  });

  test("points to each fault when a body does not fit", async () => {
    const unfit = {
      ...lend,
      itemId: "",
      contact: { name: "", email: "no address" },
      dueOn: "2025-02-30",
      colour: "red",
    };
    const pointers = ({ status, body }: Answer) => [
      status,
      body["code"],
      (body["errors"] as { pointer: string }[]).map(({ pointer }) => pointer).toSorted(),
    ];
    expect(pointers(await command("loans/l-2/lend", unfit))).toEqual([
      422,
      "validation-failed",
      ["/colour", "/contact/email", "/contact/name", "/dueOn", "/itemId"],
    ]);
    const late = await command("loans/l-2/lend", { ...lend, dueOn: "2025-02-28" });
    expect(pointers(late)).toEqual([422, "validation-failed", ["/dueOn"]]);
  });

  test("names what stood in the way when the business says no", async () => {
    const refused = [
      await command("loans/l-none/renew", { dueOn: dayAfter(7) }),
      await command("loans/l-1/lend", lend),
      await command("loans/l-1/renew", { dueOn: dayAfter(21) }),
      await command("loans/l-1/burn", {}),
    ];
    const reason = ({ status, body }: Answer) => [status, body["code"], body["loanStatus"]];
    expect(refused.map(reason)).toEqual([
      [404, "loan-not-found", undefined],
      [409, "loan-already-exists", "returned"],
      [409, "loan-closed", "returned"],
      [404, "unknown-command", undefined],
    ]);
  });

  test("shows the contact to who may read it and masks it for others when a loan is read", async () => {
    const opened = await atVersion("loans/l-1", 4);
    const lentAt = String(opened.body["lentAt"]);
    expect(opened.body).toEqual({
      ...lend,
      loanId: "l-1",
      status: "returned",
      contact: newContact,
      branch: "main",
      dueOn: dayAfter(14),
      renewals: 1,
      lentAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/),
      returnedAt: expect.any(String),
      overdue: false,
      version: 4,
    });
    const masked = await read("loans/l-1", keys.reader);
    expect(masked.body["contact"]).toEqual({ name: "••gale", email: "z••@example.org" });
    expect(masked.headers.get("ETag")).toBe('"4"');
    expect(await read(`lending/${lentAt.slice(0, 10)}`).then(({ body }) => body)).toMatchObject({
      day: lentAt.slice(0, 10),
      lent: 1,
    });
  });

  test("filters its lists when parameters say so, and points to those that do not fit", async () => {
    await command("loans/l-3/lend", { ...lend, borrowerId: "b-2" });
    await command("loans/l-4/lend", { ...lend, dueOn: dayAfter(30) });
    await atVersion("loans/l-4", 1);
    const ids = async (query: string) => {
      const { body } = await read(`loans?${query}`, keys.reader);
      return (body["items"] as { loanId: string }[]).map(({ loanId }) => loanId);
    };
    expect(await ids("")).toEqual(["l-4", "l-3", "l-1"]);
    expect(await ids("status=lent")).toEqual(["l-4", "l-3"]);
    expect(await ids("borrowerId=b-1")).toEqual(["l-4", "l-1"]);
    expect(await ids(`status=lent&dueBy=${dayAfter(7)}`)).toEqual(["l-3"]);
    expect(await ids("limit=1")).toEqual(["l-4"]);
    const wrong = await read("loans?status=lost", keys.reader);
    expect([wrong.status, wrong.body["errors"]]).toEqual([
      422,
      [{ pointer: "/status", message: expect.any(String) }],
    ]);
  });

  test("counts the day's loans when lending is read", async () => {
    const { body } = await until("lending has three loans", async () => {
      const answer = await read(`lending?from=${dayAfter(-1)}&to=${dayAfter(0)}`, keys.reader);
      const days = answer.body["items"] as { lent: number }[];
      return days.reduce((sum, { lent }) => sum + lent, 0) === 3 && answer;
    });
    const items = body["items"] as { returned: number; overdue: number }[];
    expect(items.reduce((sum, { returned }) => sum + returned, 0)).toBe(1);
    expect((await read("lending?from=2000-01-01&to=2000-12-31")).body["items"]).toEqual([]);
  });

  test("asks for the scopes of loans when a key has others", async () => {
    const order = await command("orders/o-1/ship", {});
    const reading = await read("loans/l-1", keys.desk);
    const lending = await command("loans/l-5/lend", lend, keys.reader);
    const nobody = await read("loans/l-1", "none");
    const needs = ({ status, body }: Answer) => [status, body["requiredScope"]];
    expect([order, reading, lending, nobody].map(needs)).toEqual([
      [403, "commands:orders"],
      [403, "queries:loans"],
      [403, "commands:loans"],
      [401, undefined],
    ]);
  });

  test("serves orders as before when loans are there", async () => {
    const body = {
      customerId: "c-1",
      contact,
      shippingAddress: { line1: "1 A", city: "Leeds", postcode: "LS1", country: "GB" },
      currency: "GBP",
      lines: [{ sku: "85123A", quantity: 6, unitPrice: 255 }],
    };
    expect((await command("orders/o-1/create", body, keys.all)).status).toBe(201);
    const { body: order } = await atVersion("orders/o-1", 1);
    expect([order["contact"], order["total"]]).toEqual([
      contact,
      { amount: 1_530, currency: "GBP" },
    ]);
  });

  test("holds contacts as ciphertext alone when events, documents and logs are searched", async () => {
    const sql = postgres(copy.databaseUrl, { max: 1, ssl: false });
    try {
      const stored = await sql<{ sealed: boolean; keys: number }[]>`
        select payload->>'contact' like 'es1.%' as sealed, cardinality(subject_keys) as keys
          from varve.events
         where aggregate_type = 'Loan' and payload ? 'contact'
         order by position`;
      expect(stored.map((row) => ({ ...row }))).toEqual(
        Array.from({ length: 4 }, () => ({ sealed: true, keys: 1 })),
      );
      const [row] = await sql<{ text: string }[]>`
        select (select string_agg(e::text, ' ') from varve.events e)
            || (select string_agg(d::text, ' ') from varve_views.loans d) as text`;
      const everything = `${row?.text}${copy.output()}`;
      expect(everything).toContain("LoanContactChanged");
      const plain = [...Object.values(contact), ...Object.values(newContact)];
      expect(plain.filter((each) => everything.includes(each))).toEqual([]);
    } finally {
      await sql.end();
    }
  });

  test("differs in a folder, the registry and its tests when all of this has run", () => {
    const after = textsOf(copy.tree);
    const { before } = copy;
    const changed = [...before].filter(([path, text]) => after.get(path) !== text);
    const files = "commands events lending-view loan loans-view shelf-reactor values".split(" ");
    expect(changed.map(([path]) => path)).toEqual(["src/domain/registry.ts"]);
    expect([...after.keys()].filter((path) => !before.has(path))).toEqual([
      ...files.map((name) => `src/domain/loans/${name}.ts`),
      "test/unit/loans/loans.test.ts",
    ]);
  });
});
