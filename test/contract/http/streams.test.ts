import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type postgres from "postgres";

import { limits } from "#kernel/limits.ts";
import { json, openTestApp, type TestApp } from "#test/app.ts";
import { archiveOnly } from "#test/support/absent-months.ts";
import { settleMonth } from "#test/support/months.ts";
import { openSql } from "#test/support/pools.ts";
import { createBody } from "#test/unit/orders/samples.ts";

type Fields = Readonly<Record<string, unknown>>;

const ID = "s-1";
const path = `/streams/orders/${ID}`;

let app: TestApp;
let sql: postgres.Sql;
/** The events of the order and one of another, as they are stored. */
let stored: Awaited<ReturnType<TestApp["events"]>>;
beforeAll(async () => {
  app = await openTestApp();
  sql = openSql(app.url);
  const commands: readonly (readonly [string, unknown])[] = [
    [`${ID}/create`, createBody],
    ["s-2/create", createBody],
    [`${ID}/ship`, { carrier: "Royal Mail", trackingNumber: "RM1" }],
    [`${ID}/deliver`, {}],
  ];
  for (const [command, body] of commands) {
    expect((await app.send(`/commands/orders/${command}`, json(body))).ok).toBe(true);
  }
  stored = await app.events(0);
});
afterAll(async () => {
  await sql.end({ timeout: 1 });
  await app.close();
});

/** The answer's status and body. */
async function get(address: string, key?: string): Promise<readonly [number, Fields]> {
  const answer = await app.send(address, {}, key);
  return [answer.status, (await answer.json()) as Fields];
}

const versions = async (query: string): Promise<readonly unknown[]> => {
  const [status, body] = await get(`${path}${query}`);
  if (status !== 200) return [status, body["code"]];
  return [(body["items"] as Fields[]).map(({ version }) => version), body["nextVersion"]];
};

const timeOf = (version: number): string =>
  stored.find((event) => event.aggregateId === ID && event.version === version)?.createdAt ?? "";

describe("the events of a stream", () => {
  test("are as they are stored, sealed fields too, whatever the key may open", async () => {
    const items = stored
      .filter(({ aggregateId }) => aggregateId === ID)
      .map(({ eventId, aggregateType: _type, aggregateId: _id, ...event }) => ({
        id: eventId,
        ...event,
      }));
    for (const key of [app.fullKey, await app.keyWith("streams:read")]) {
      const answer = await app.send(path, {}, key);
      expect([answer.status, answer.headers.get("ETag")]).toEqual([200, '"3"']);
      expect(answer.headers.get("Varve-Position")).toBe("4");
      const body = (await answer.json()) as Fields;
      expect(body).toEqual({ aggregate: "orders", id: ID, items, nextVersion: null });
      const [created] = body["items"] as { payload: Fields; createdAt: string }[];
      expect(created?.payload["contact"]).toStartWith("es1.");
      expect(created?.createdAt).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/);
    }
  });

  test("come in pages forward and backward, each saying where the next begins", async () => {
    expect([
      await versions("?limit=2"),
      await versions("?limit=2&fromVersion=3"),
      await versions("?limit=3"),
      await versions("?toVersion=2&limit=1"),
      await versions("?toVersion=2&limit=2"),
      await versions("?direction=backward&limit=2"),
      await versions("?direction=backward&limit=2&toVersion=1"),
      await versions("?direction=backward&fromVersion=2"),
      await versions("?fromVersion=4"),
      await versions("?fromVersion=&toVersion=&limit=&direction=&at="),
    ]).toEqual([
      [[1, 2], 3],
      [[3], null],
      [[1, 2, 3], null],
      [[1], 2],
      [[1, 2], null],
      [[3, 2], 1],
      [[1], null],
      [[3, 2], null],
      [[], null],
      [[1, 2, 3], null],
    ]);
  });

  test("are those that were stored by then, as of a time in any zone", async () => {
    const second = timeOf(2);
    const inParis = new Date(Date.parse(`${second.slice(0, 19)}Z`) + 3_600_000)
      .toISOString()
      .replace(/\.\d+Z$/, `.${second.slice(20, 26)}+01:00`);
    expect([
      await versions(`?at=${second}`),
      await versions(`?at=${encodeURIComponent(inParis)}`),
      await versions(`?at=${second.replace("Z", "9Z")}&direction=backward&limit=1`),
      await versions("?at=2020-01-01T00:00:00Z"),
      await versions("?at=9999-12-31T23:59:59Z"),
    ]).toEqual([
      [[1, 2], null],
      [[1, 2], null],
      [[2], 1],
      [[], null],
      [[1, 2, 3], null],
    ]);
  });

  test("are not sent again to who has the stream's version", async () => {
    const ask = (tag: string) => app.send(path, { headers: { "If-None-Match": tag } });
    expect([(await ask('"3"')).status, (await ask('"2"')).status]).toEqual([304, 200]);
  });

  test("are shown where their type or version is not known to this program", async () => {
    await sql`update varve.events set event_type = 'OrderTeleported', schema_version = 9
               where position = 4`;
    const [status, body] = await get(`${path}?fromVersion=3`);
    const [state, problem] = await get(`${path}/state`);
    await sql`update varve.events set event_type = 'OrderDelivered', schema_version = 1
               where position = 4`;
    expect([status, body["items"]]).toEqual([
      200,
      [expect.objectContaining({ type: "OrderTeleported", schemaVersion: 9, version: 3 })],
    ]);
    expect([state, problem["code"]]).toEqual([503, "database-unavailable"]);
  });
});

describe("the state of a stream", () => {
  const statusAt = async (query: string) => {
    const [status, { version, position, state, code, detail }] = await get(`${path}/state${query}`);
    return status === 200
      ? [version, position, (state as Fields)["status"]]
      : [status, code, detail];
  };

  test("is what the events made it, at a version, at a time and now", async () => {
    expect([
      await statusAt(""),
      await statusAt("?version=3"),
      await statusAt("?version=2"),
      await statusAt("?version=1"),
      await statusAt(`?at=${timeOf(2)}`),
      await statusAt(`?at=${timeOf(1)}`),
      await statusAt("?at=9999-12-31T23:59:59Z"),
    ]).toEqual([
      [3, 4, "delivered"],
      [3, 4, "delivered"],
      [2, 3, "shipped"],
      [1, 1, "created"],
      [2, 3, "shipped"],
      [1, 1, "created"],
      [3, 4, "delivered"],
    ]);
  });

  test("names its stream and leaves personal fields sealed", async () => {
    const answer = await app.send(`${path}/state?version=1`);
    const body = (await answer.json()) as Fields;
    expect(body).toEqual({
      aggregate: "orders",
      id: ID,
      version: 1,
      position: 1,
      state: expect.objectContaining({ customerId: createBody.customerId }) as unknown,
    });
    expect(JSON.stringify(body)).not.toContain(createBody.contact.email);
    expect([answer.headers.get("ETag"), answer.headers.get("Varve-Position")]).toEqual([
      '"1"',
      "4",
    ]);
  });

  test("is 404 where there is no such stream, version or past", async () => {
    const none = "There is no such stream.";
    expect([
      await statusAt("?version=4"),
      await statusAt("?at=2020-01-01T00:00:00Z"),
      (await get("/streams/orders/nobody"))[1]["detail"],
      (await get("/streams/orders/nobody/state"))[1]["detail"],
      (await get("/streams/nothing/1"))[0],
    ]).toEqual([
      [404, "not-found", "The stream has not reached that version."],
      [404, "not-found", "The stream did not exist at that time."],
      none,
      none,
      404,
    ]);
  });

  test("is folded over as many pages as the stream needs", async () => {
    const more = limits.readEvents * 2 + 500;
    await sql`
      insert into varve.events (position, created_at, event_id, aggregate_type, aggregate_id,
          version, event_type, schema_version, "timestamp", payload, metadata)
        select 4 + n, clock_timestamp(), gen_random_uuid(), 'Order', 's-2', 1 + n,
            'OrderContactChanged', 1, now(), e.payload, '{}'
          from generate_series(1, ${more}) n
          cross join (select jsonb_build_object('contact', payload->'contact') as payload
                        from varve.events where position = 2) e`;
    await sql`update varve.streams set version = version + ${more} where aggregate_id = 's-2'`;
    const at = async (query: string) => {
      const [, body] = await get(`/streams/orders/s-2/state${query}`);
      return [body["version"], body["position"]];
    };
    expect([await at(""), await at("?version=1500"), await at("?version=2001")]).toEqual([
      [1 + more, 4 + more],
      [1_500, 1_503],
      [2_001, 2_004],
    ]);
  });
});

const refused: Readonly<Record<string, readonly string[]>> = {
  "?fromVersion=0": ["/fromVersion"],
  "?fromVersion=9007199254740992": ["/fromVersion"],
  "?fromVersion=3&toVersion=2": ["/toVersion"],
  "?toVersion=x": ["/toVersion"],
  "?limit=0": ["/limit"],
  "?limit=1001": ["/limit"],
  "?limit=1&limit=2": ["/limit"],
  "?direction=sideways": ["/direction"],
  "?at=yesterday": ["/at"],
  "?at=2026-02-30T00:00:00Z": ["/at"],
  "?at=2026-01-01T00:00:00": ["/at"],
  "?at=0000-01-01T00:00:00Z": ["/at"],
  "?at=9999-12-31T23:59:59-14:00": ["/at"],
  "?at=%00": ["/at"],
  "?version=1": ["/version"],
  "?__proto__=1": ["/__proto__"],
  "/state?version=0": ["/version"],
  "/state?version=1&at=2026-01-01T00:00:00Z": ["/at"],
  "/state?limit=1": ["/limit"],
  "/state?at=1": ["/at"],
};

for (const [query, pointers] of Object.entries(refused)) {
  test(`a stream is 422 when it is asked for with ${query}`, async () => {
    const [status, { code, errors }] = await get(`${path}${query}`);
    const at = (errors as Fields[]).map(({ pointer }) => pointer);
    expect([status, code, at]).toEqual([422, "validation-failed", [...pointers]]);
  });
}

test("a stream is 403 to who may not read streams, and 422 where its id cannot be one", async () => {
  const other = await app.keyWith("queries:*", "commands:*", "log:read");
  for (const tail of ["", "/state"]) {
    expect((await get(`${path}${tail}`, other))[1]).toMatchObject({
      status: 403,
      requiredScope: "streams:read",
    });
    expect((await get(`/streams/orders/a%20b${tail}`))[1]).toMatchObject({
      status: 422,
      errors: [{ pointer: "/id" }],
    });
  }
});

test("a stream names the months that must be restored when they hold what is asked for", async () => {
  const old = await settleMonth(sql, { monthsAgo: -1, streams: ["x"] });
  await settleMonth(sql, { monthsAgo: -2, streams: ["x"] });
  await sql`update varve.events set aggregate_type = 'Order', event_type = 'OrderDelivered'
             where aggregate_id = 'x'`;
  await sql`update varve.streams set aggregate_type = 'Order' where aggregate_id = 'x'`;
  await archiveOnly(sql, [old.name]);
  const answers = [
    await get("/streams/orders/x"),
    await get("/streams/orders/x/state"),
    await get(`/log?after=${old.lastPosition - 1}`),
  ];
  const recent = await get("/streams/orders/x?fromVersion=2");
  await archiveOnly(sql, []);
  const problem = {
    type: "urn:varve:problem:partition-archived",
    title: "The events are archived",
    status: 409,
    detail: `Events that this needs are archived. To bring them back: varve partitions restore ${old.name}.`,
    code: "partition-archived",
    requestId: expect.any(String) as unknown,
    partitions: [old.name],
  };
  expect(answers).toEqual([
    [409, problem],
    [409, problem],
    [409, problem],
  ]);
  expect(recent[0]).toBe(200);
});
