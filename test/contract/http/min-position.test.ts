import { afterAll, beforeAll, describe, expect, test } from "bun:test";

import { aggregates } from "#domain/registry.ts";
import { createApp } from "#http/app.ts";
import { limits } from "#kernel/limits.ts";
import { createQueryReader } from "#query/read.ts";
import { json, openTestApp, type TestApp } from "#test/app.ts";
import { createBody } from "#test/unit/orders/samples.ts";
import { until } from "#test/until.ts";

type Body = Readonly<Record<string, unknown>>;

let app: TestApp;
beforeAll(async () => {
  app = await openTestApp();
});
afterAll(() => app.close());

let head = 0;

/** Creates the order; gives the position that its answer names. */
async function create(id: string, by: TestApp = app): Promise<number> {
  const answer = await by.send(`/commands/orders/${id}/create`, json(createBody));
  expect(answer.status).toBe(201);
  head = Number(answer.headers.get("Varve-Position"));
  return head;
}

const asking = (position: number | string, prefer?: string) => ({
  headers: {
    "Varve-Min-Position": String(position),
    ...(prefer === undefined ? {} : { Prefer: prefer }),
  },
});

/** What an answer says of positions and waiting. */
async function told(answer: Response) {
  const body = (await answer.json()) as Body;
  const { code, position, wanted } = body;
  return {
    status: answer.status,
    retryAfter: answer.headers.get("Retry-After"),
    applied: answer.headers.get("Preference-Applied"),
    ...(code === undefined ? {} : { code, position, wanted }),
  };
}

const behind = (wanted: number, applied: string | null = null) => ({
  status: 503,
  code: "view-behind",
  retryAfter: "1",
  applied,
  position: head,
  wanted,
});

async function timed<Answer>(work: Promise<Answer>): Promise<readonly [Answer, number]> {
  const startedMs = performance.now();
  const answer = await work;
  return [answer, performance.now() - startedMs];
}

describe("a query with a minimum", () => {
  test("it has the caller's own write when it comes right after the command", async () => {
    for (let n = 0; n < 20; n += 1) {
      const position = await create(`own-${n}`);
      const answer = await app.send(`/queries/orders/own-${n}`, asking(position));
      const { orderId, version } = (await answer.json()) as Body;
      expect([answer.status, orderId, version]).toEqual([200, `own-${n}`, 1]);
      expect(Number(answer.headers.get("Varve-Position"))).toBeGreaterThanOrEqual(position);
    }
  });

  test("it lists the caller's own write when it is a list", async () => {
    for (let n = 0; n < 10; n += 1) {
      const position = await create(`listed-${n}`);
      const answer = await app.send("/queries/orders?limit=1", asking(position, "wait=10"));
      const { items } = (await answer.json()) as { items: readonly Body[] };
      expect([answer.status, items.map((item) => item["orderId"])]).toEqual([200, [`listed-${n}`]]);
      expect(answer.headers.get("Preference-Applied")).toBe("wait=10");
    }
  });

  test("it answers as ever when the view is there: 404, 304, HEAD and faults too", async () => {
    await app.reached(await create("there"));
    const statuses = [];
    for (const [path, init] of [
      ["/queries/orders/nowhere", {}],
      ["/queries/orders/there", { "If-None-Match": '"1"' }],
      ["/queries/orders?limit=0", {}],
      ["/queries/orders/%00", {}],
    ] as const) {
      const headers = { ...asking(head, "wait=3").headers, ...init };
      const answer = await app.send(path, { headers });
      statuses.push([answer.status, answer.headers.get("Preference-Applied")]);
    }
    const first = await app.send("/queries/orders/there", { ...asking(0), method: "HEAD" });
    expect([...statuses, first.status]).toEqual([
      [404, "wait=3"],
      [304, "wait=3"],
      [422, null],
      [422, null],
      200,
    ]);
  });

  test("it is 503 within the asked time when the view does not get there", async () => {
    const wanted = head + 1_000;
    const [one, oneMs] = await timed(app.send("/queries/orders/x", asking(wanted, "wait=1")));
    expect(await told(one)).toEqual(behind(wanted, "wait=1"));
    const [none, noneMs] = await timed(app.send("/queries/orders", asking(wanted, "wait=0")));
    expect(await told(none)).toEqual(behind(wanted, "wait=0"));
    const [usual, usualMs] = await timed(app.send("/queries/orders", asking(wanted)));
    expect(await told(usual)).toEqual(behind(wanted));
    // A timer may be a moment early, and a busy machine late.
    const seconds = [oneMs, noneMs, usualMs].map((ms) => Math.floor((ms + 50) / 1_000));
    expect(seconds).toEqual([1, 0, 2]);
  });

  test("it takes a minimum on the routes of every view", async () => {
    const wanted = head + 1_000;
    const paths = aggregates.flatMap(({ views }) =>
      views.flatMap(({ name, byKey, list }) => [
        ...(byKey ? [`/queries/${name}/x`] : []),
        ...(list === undefined ? [] : [`/queries/${name}`]),
      ]),
    );
    expect(paths.toSorted()).toEqual([
      "/queries/customers/x",
      "/queries/orders",
      "/queries/orders/x",
      "/queries/sales",
    ]);
    for (const path of paths) {
      const answer = await app.send(path, asking(wanted, "wait=0"));
      expect(await told(answer)).toEqual(behind(wanted, "wait=0"));
    }
  });

  test("it ignores Prefer when it has none", async () => {
    const [answer, ms] = await timed(
      app.send("/queries/orders", { headers: { Prefer: "wait=30" } }),
    );
    expect(await told(answer)).toEqual({ status: 200, retryAfter: null, applied: null });
    expect(ms).toBeLessThan(1_000);
  });
});

describe("headers", () => {
  for (const text of [
    "",
    "x",
    "-1",
    "+1",
    "1.5",
    "1e3",
    "0x1",
    "9007199254740992",
    "1, 2",
    "all",
  ]) {
    test(`position is refused when it is "${text}"`, async () => {
      const answer = await app.send("/queries/orders/x", asking(text));
      const { code, errors } = (await answer.json()) as Body;
      const message = "must be an integer from 0 to 9007199254740991";
      expect([answer.status, code, errors]).toEqual([
        422,
        "validation-failed",
        [{ pointer: "/Varve-Min-Position", message }],
      ]);
    });
  }

  for (const [prefer, applied] of [
    ["wait=31", "wait=30"],
    ["wait=99999999999999999999", "wait=30"],
    ['respond-async, WAIT = "4"; x', "wait=4"],
    ["wait=4, wait=9", "wait=4"],
    ["return=minimal", null],
    ["wait=soon", null],
    ["wait=-4", null],
  ] as const) {
    test(`wait is told as ${applied} when the preference is ${prefer}`, async () => {
      await app.reached(head);
      const answer = await app.send("/queries/orders", asking(head, prefer));
      expect(await told(answer)).toEqual({ status: 200, retryAfter: null, applied });
    });
  }
});

describe("the end of a wait", () => {
  /** The app with another end of its own. */
  const drainable = () => {
    const draining = new AbortController();
    const other = createApp({ ...app.dependencies, draining: draining.signal });
    const send = (init: RequestInit): Promise<Response> => {
      const headers = new Headers(init.headers);
      headers.set("Authorization", `Bearer ${app.fullKey}`);
      return Promise.resolve(other.request("/queries/orders", { ...init, headers }));
    };
    return { draining, send };
  };

  test("it comes at once as shutting-down when the process drains", async () => {
    const { draining, send } = drainable();
    const waits = [1, 2, 3].map(() => send(asking(head + 1_000, "wait=30")));
    await send({});
    draining.abort();
    const [answers, ms] = await timed(Promise.all(waits));
    for (const answer of answers) {
      expect(await told(answer)).toEqual({
        status: 503,
        code: "shutting-down",
        retryAfter: "5",
        applied: null,
        position: undefined,
        wanted: undefined,
      });
    }
    expect(ms).toBeLessThan(1_000);
  });

  test("it comes at once when the caller goes away, over a socket too", async () => {
    const server = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: app.app.fetch });
    const before = app.logText().length;
    const ended = () => app.logText().slice(before).split('"status":503').length - 1;
    const leaving = new AbortController();
    const headers = {
      ...asking(head + 1_000, "wait=30").headers,
      Authorization: `Bearer ${app.fullKey}`,
    };
    const asked = fetch(new URL("/queries/orders", server.url), {
      headers,
      signal: leaving.signal,
    }).catch((error: Error) => error.name);
    await until("the request waits", () => server.pendingRequests > 0);
    leaving.abort();
    await until("its wait has ended", () => ended() === 1);
    expect(await asked).toBe("AbortError");
    expect(app.logText().slice(before)).not.toContain('"level":"error"');
    await server.stop(true);
  });
});

describe("many who wait", () => {
  test("they cost one look at a time and a read each when two hundred of them wait", async () => {
    const asked: string[] = [];
    const query: typeof app.pool.query = (statement, ...rest) => {
      asked.push(statement.name);
      return app.pool.query(statement, ...rest);
    };
    const reader = createQueryReader({ ...app.pool, query }, app.keyring);
    const counted = createApp({ ...app.dependencies, reader });
    const wanted = head + 1;
    const startedMs = performance.now();
    const waits = Array.from({ length: 200 }, async () => {
      const headers = {
        ...asking(wanted, "wait=30").headers,
        Authorization: `Bearer ${app.fullKey}`,
      };
      return counted.request("/queries/orders?limit=1", { headers });
    });
    await until("they wait", () => asked.filter((name) => name === "read_checkpoints").length > 5);
    const inVain = asked.filter((name) => name !== "read_checkpoints");
    expect(await create("for-all")).toBe(wanted);
    const answers = await Promise.all(waits);
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200));
    const spentMs = performance.now() - startedMs;
    const looks = asked.filter((name) => name === "read_checkpoints").length;
    expect(inVain).toEqual([]);
    expect(asked.length - looks).toBe(200);
    expect(looks).toBeLessThanOrEqual(spentMs / limits.pollMsMin + 1);
  });
});

describe("two instances", () => {
  test("each answers with the other's write when only one of them keeps the views", async () => {
    const other = await openTestApp({}, app);
    for (let n = 0; n < 10; n += 1) {
      const [writer, reader] = n % 2 === 0 ? [app, other] : [other, app];
      const position = await create(`two-${n}`, writer);
      const answer = await reader.send(`/queries/orders/two-${n}`, asking(position, "wait=10"));
      const { orderId, contact } = (await answer.json()) as Body;
      expect([answer.status, orderId, contact]).toEqual([200, `two-${n}`, createBody.contact]);
    }
    await other.close();
  });
});

test("a query is behind after its time when nobody keeps the views any more", async () => {
  await app.reached(head);
  const reached = head;
  await app.stopViews();
  const wanted = await create("unseen");
  const answer = await app.send("/queries/orders/unseen", asking(wanted, "wait=1"));
  expect(await told(answer)).toEqual({ ...behind(wanted, "wait=1"), position: reached });
  expect((await app.send("/queries/orders/unseen")).status).toBe(404);
});
