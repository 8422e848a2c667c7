import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import type postgres from "postgres";

import { limits } from "#kernel/limits.ts";
import type { Keyring } from "#pii/keyring.ts";
import { createGroupCommit, type GroupCommit } from "#store/group-commit.ts";
import type { Pool } from "#store/pool.ts";
import { assertNothingLeftOpen, freshDatabase, type TestDatabase } from "#test/database.ts";
import { openTestKeyring } from "#test/support/keyrings.ts";
import { logFaults } from "#test/support/log-faults.ts";
import { createBody, openHandler, request, secret } from "#test/support/orders.ts";
import { openSql, openTestPool } from "#test/support/pools.ts";

let database: TestDatabase;
let pool: Pool;
let sql: postgres.Sql;
let keyring: Keyring;
let groupCommit: GroupCommit;
beforeAll(async () => {
  database = await freshDatabase();
  pool = openTestPool(database.url);
  sql = openSql(database.url);
  keyring = await openTestKeyring(pool);
  groupCommit = createGroupCommit(pool);
});
afterEach(async () => {
  expect(await logFaults(sql)).toEqual([]);
  await assertNothingLeftOpen(database.url);
});
afterAll(async () => {
  await groupCommit.drain();
  await pool.close(1_000);
  await sql.end({ timeout: 1 });
  await database.drop();
});

const handler = () => openHandler(pool, keyring, groupCommit);
const ship = { carrier: "Royal Mail", trackingNumber: "RM1" };
const change = (n: number) => ({ contact: { ...secret, name: `${secret.name} ${n}` } });
const anId = expect.any(String) as string;

describe("the command handler", () => {
  test("command is accepted with its events when the business allows it", async () => {
    const { handle, told } = handler();
    const created = await handle(request("life", "create", createBody));
    const shipped = await handle(request("life", "ship", ship, 1));
    const [first = 0, second = 0] = told;
    expect([created, shipped, second > first]).toEqual([
      {
        kind: "accepted",
        version: 1,
        position: first,
        events: [{ id: anId, type: "OrderCreated", version: 1, position: first }],
        replayed: false,
      },
      {
        kind: "accepted",
        version: 2,
        position: second,
        events: [{ id: anId, type: "OrderShipped", version: 2, position: second }],
        replayed: false,
      },
      true,
    ]);
  });

  test("personal fields are nowhere in the database when the command is stored", async () => {
    await handler().handle(request("sealed", "create", createBody));
    const [row] = await sql<{ text: string; keys: number; used: boolean }[]>`
      select e::text as text, cardinality(e.subject_keys) as keys,
             e.subject_keys[1] in (select key_id from varve.subject_keys) as used
        from varve.events e where aggregate_id = 'sealed'`;
    const { text = "", ...rest } = row ?? {};
    expect([/kanarienvogel/i.test(text), text.includes("es1."), rest]).toEqual([
      false,
      true,
      { keys: 1, used: true },
    ]);
  });

  test("command is rejected and stores nothing when the business says no", async () => {
    const { handle, told } = handler();
    await handle(request("twice", "create", createBody));
    const outcomes: readonly unknown[] = [
      await handle(request("twice", "create", createBody)),
      await handle(request("missing", "ship", ship)),
      await handle(request("missing", "change-contact", change(1))),
      told.length,
    ];
    expect(outcomes).toEqual([
      {
        kind: "rejected",
        rejection: { type: "order-already-exists", status: "created" },
        reason: "conflict",
      },
      { kind: "rejected", rejection: { type: "order-not-found" }, reason: "not-found" },
      { kind: "rejected", rejection: { type: "order-not-found" }, reason: "not-found" },
      1,
    ]);
  });

  test("command is a mismatch when the caller saw another version", async () => {
    const { handle } = handler();
    await handle(request("matched", "create", createBody));
    expect([
      await handle(request("matched", "ship", ship, 2)),
      await handle(request("matched", "create", createBody, 0)),
      await handle(request("unmade", "ship", ship, 1)),
    ]).toEqual([
      { kind: "version-mismatch", version: 1 },
      { kind: "version-mismatch", version: 1 },
      { kind: "version-mismatch", version: 0 },
    ]);
  });

  test("one order is made when twenty create it at the same moment in two processes", async () => {
    const other = createGroupCommit(pool);
    const handlers = [handler(), openHandler(pool, keyring, other)];
    const callers = Array.from({ length: 10 }, () => handlers).flat();
    const outcomes = await Promise.all(
      callers.map(({ handle }) => handle(request("raced", "create", createBody))),
    );
    await other.drain();
    const kinds: string[] = outcomes.map(({ kind }) => kind).toSorted();
    expect(kinds).toEqual(["accepted", ...Array<string>(19).fill("rejected")]);
  });

  test("every change is decided again and stored when five race for one order", async () => {
    const { handle } = handler();
    await handle(request("changed", "create", createBody));
    const outcomes = await Promise.all(
      [1, 2, 3, 4, 5].map((n) => handle(request("changed", "change-contact", change(n)))),
    );
    const versions = outcomes.map((outcome) => (outcome.kind === "accepted" ? outcome.version : 0));
    expect(versions.toSorted((left, right) => left - right)).toEqual([2, 3, 4, 5, 6]);
  });

  test("command gives up when a rival is faster as often as the limit allows", async () => {
    const { handle } = handler();
    await handle(request("rival", "create", createBody));
    let overtaken = 0;
    const late = openHandler(pool, keyring, {
      ...groupCommit,
      append: async (append) => {
        overtaken += 1;
        await handle(request("rival", "change-contact", change(overtaken)));
        return groupCommit.append(append);
      },
    });
    const outcome = await late.handle(request("rival", "ship", ship));
    expect([outcome, overtaken, late.told]).toEqual([
      { kind: "version-conflict", version: 1 + limits.decideAttempts },
      limits.decideAttempts,
      [],
    ]);
  });

  test("decision is another when the rival has changed what it is about", async () => {
    const { handle } = handler();
    await handle(request("cancelled", "create", createBody));
    const late = openHandler(pool, keyring, {
      ...groupCommit,
      append: async (append) => {
        await handle(request("cancelled", "cancel", { reason: "changed my mind" }));
        return groupCommit.append(append);
      },
    });
    const outcome: unknown = await late.handle(request("cancelled", "ship", ship));
    expect(outcome).toEqual({
      kind: "rejected",
      rejection: { type: "order-not-shippable", status: "cancelled" },
      reason: "conflict",
    });
  });

  test("stream is folded whole when it is longer than a page", async () => {
    const { handle } = handler();
    await handle(request("long", "create", createBody));
    const [{ sealed } = { sealed: "" }] = await sql<{ sealed: string }[]>`
      select payload->>'contact' as sealed from varve.events where aggregate_id = 'long'`;
    const count = limits.readEvents + 7;
    const events = JSON.stringify(
      Array.from({ length: count }, () => ({
        id: crypto.randomUUID(),
        type: "OrderContactChanged",
        schemaVersion: 1,
        timestamp: "2026-01-01T00:00:00Z",
        payload: { contact: sealed },
        subjectKeys: [],
      })),
    );
    await sql`select varve.append_events(jsonb_build_array(jsonb_build_object(
      'aggregateType', 'Order', 'aggregateId', 'long', 'expectedVersion', 1,
      'events', ${events}::text::jsonb)))`;
    const outcome = await handle(request("long", "ship", ship));
    expect(outcome).toMatchObject({ kind: "accepted", version: count + 2 });
  });

  test("command fails as behind when the stream holds an event of a newer program", async () => {
    await sql`select varve.append_events(${JSON.stringify([
      {
        aggregateType: "Order",
        aggregateId: "newer",
        expectedVersion: 0,
        events: [{ id: crypto.randomUUID(), type: "OrderGifted", schemaVersion: 1, payload: {} }],
      },
    ])}::text::jsonb)`;
    const code = await handler()
      .handle(request("newer", "ship", ship))
      .catch((error: { code: string }) => error.code);
    expect(code).toBe("schema-behind");
  });
});
