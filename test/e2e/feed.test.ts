import { readFileSync } from "node:fs";
import { connect, type Socket } from "node:net";

import { afterAll, afterEach, beforeAll, expect, test } from "bun:test";

import { freshDatabase, type TestDatabase } from "#test/database.ts";
import { createOrder, type Target } from "#test/support/caller.ts";
import { messagesOf, nextWhere } from "#test/support/feed.ts";
import { logFaults, withSql } from "#test/support/invariants.ts";
import { randomFrom, startLoad } from "#test/support/load.ts";
import { createKey, endServices, type Service, startService } from "#test/support/service.ts";
import { until } from "#test/until.ts";

let database: TestDatabase;
let key = "";
beforeAll(async () => {
  database = await freshDatabase();
  key = await createKey({ databaseUrl: database.url });
});
afterEach(endServices);
afterAll(() => database.drop());

const start = (): Promise<Service> => startService({ databaseUrl: database.url });

const openFeed = (url: string, headers: Readonly<Record<string, string>>, signal?: AbortSignal) =>
  fetch(`${url}/log${headers["Types"] === undefined ? "" : `?types=${headers["Types"]}`}`, {
    headers: { Authorization: `Bearer ${key}`, Accept: "text/event-stream", ...headers },
    ...(signal === undefined ? {} : { signal }),
  });

const feedEnds = (service: Service): readonly unknown[] =>
  service
    .log()
    .filter(({ message }) => message === "feed ended")
    .map(({ reason }) => reason);

/** Reads a feed, goes away at a moment of chance, and resumes after the last event that it took. */
async function readBrokenly(
  service: Service,
  { types, random }: { readonly types?: string; readonly random: () => number },
  isDone: (position: number) => boolean,
) {
  const positions: number[] = [];
  let [lastId, breaks] = ["0", 0];
  while (!isDone(Number(lastId))) {
    const away = new AbortController();
    const headers = { "Last-Event-ID": lastId, ...(types === undefined ? {} : { Types: types }) };
    const leave = setTimeout(() => away.abort(), 20 + random() * 200);
    try {
      for await (const message of messagesOf(await openFeed(service.url, headers, away.signal))) {
        lastId = message.id;
        if (message.data !== undefined) positions.push(Number(message.data["position"]));
        if (isDone(Number(lastId))) break;
      }
    } catch (error) {
      if (!away.signal.aborted) throw error;
    }
    clearTimeout(leave);
    breaks += 1;
  }
  return { positions, breaks };
}

test("feeds leave nothing out and repeat nothing when they break all the time under load", async () => {
  const service = await start();
  const random = randomFrom(7);
  const target: Target = { url: service.url, key };
  const load = startLoad({ target: () => target, writers: 16, random, retries: 0 });
  let end = Number.POSITIVE_INFINITY;
  const isDone = (position: number): boolean => position >= end;
  const readers = [
    readBrokenly(service, { random }, isDone),
    readBrokenly(service, { random }, isDone),
    readBrokenly(service, { random, types: "OrderShipped,OrderCancelled" }, isDone),
  ];
  await until("there was load", () => load.answers.length > 1_500, 40_000);
  await load.stop();
  end = await withSql(database.url, async (sql) => {
    const [row] = await sql<
      { head: number }[]
    >`select max(position)::int as head from varve.events`;
    return row?.head ?? 0;
  });
  const [first, second, some] = await Promise.all(readers);
  const all = Array.from({ length: end }, (_, index) => index + 1);
  expect(end).toBeGreaterThan(1_000);
  expect(first?.positions).toEqual(all);
  expect(second?.positions).toEqual(all);
  const wanted = await withSql(database.url, async (sql) => {
    const rows = await sql<{ position: number }[]>`
      select position::int from varve.events
       where event_type in ('OrderShipped', 'OrderCancelled') order by position`;
    return rows.map(({ position }) => position);
  });
  expect(some?.positions).toEqual(wanted);
  expect(Math.min(first?.breaks ?? 0, some?.breaks ?? 0)).toBeGreaterThan(10);
  expect(await logFaults(database.url, load.answers)).toEqual([]);
  await until("every feed has ended", () => feedEnds(service).length > 0);
  expect(new Set(feedEnds(service))).toEqual(new Set(["gone"]));
}, 60_000);

/** A log of 64 MB, more than sockets and the server could hold for anyone. */
const fill = (): Promise<unknown> =>
  withSql(
    database.url,
    (sql) => sql`
      with head as (select max(position) as position, max(created_at) as at from varve.events)
      insert into varve.events (position, created_at, event_id, aggregate_type, aggregate_id,
          version, event_type, schema_version, "timestamp", payload, metadata)
        select h.position + n, h.at, gen_random_uuid(), 'Filler', 'f', n, 'Filled', 1, h.at,
            jsonb_build_object('text', repeat(md5(n::text), 100)), '{}'
          from head h cross join generate_series(1, 20000) n`,
  );

const residentBytes = (pid: number): number =>
  Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) * 1_024;

/** Connections that the service has, idle ones too. Source: proc(5), /proc/net/tcp. */
function connections(service: Service): number {
  const port = Number(new URL(service.url).port).toString(16).toUpperCase().padStart(4, "0");
  const established = new RegExp(`^ *\\d+: [0-9A-F]{8}:${port} [0-9A-F:]{13} 01 `);
  const lines = readFileSync("/proc/net/tcp", "utf8").split("\n");
  return lines.filter((line) => established.test(line)).length;
}

/** A reader that asks for the feed and then takes nothing of it. */
function openStalled(service: Service): Socket {
  const { port } = new URL(service.url);
  const socket = connect(Number(port), "127.0.0.1");
  socket.on("error", () => undefined);
  socket.pause();
  const lines = ["GET /log HTTP/1.1", "Host: x", `Authorization: Bearer ${key}`];
  socket.write([...lines, "Accept: text/event-stream", "\r\n"].join("\r\n"));
  return socket;
}

test("a reader that takes nothing is cut off and holds no memory when the log is long", async () => {
  const service = await start();
  await createOrder({ url: service.url, key }, "before-the-filler");
  await fill();
  const before = residentBytes(service.pid);
  const idle = connections(service);
  const stalled = Array.from({ length: 10 }, () => openStalled(service));
  await until("they are there", () => connections(service) === idle + 10);
  await until("the feeds are given up", () => feedEnds(service).length === 10, 20_000);
  expect(new Set(feedEnds(service))).toEqual(new Set(["too-slow"]));
  // Ten of them would hold 640 MB.
  expect(residentBytes(service.pid) - before).toBeLessThan(200 * 1_024 * 1_024);
  await until("they are cut", () => connections(service) <= idle, 15_000);
  for (const socket of stalled) socket.destroy();
}, 60_000);

test("the service ends soon when it is asked to, whatever its feeds do", async () => {
  const service = await start();
  const head = (await openFeed(service.url, {})).headers.get("Varve-Position") ?? "";
  const feeds = await Promise.all(
    Array.from({ length: 5 }, async () =>
      messagesOf(await openFeed(service.url, { "Last-Event-ID": head })),
    ),
  );
  await Promise.all(feeds.map((feed) => feed.next()));
  const stalled = openStalled(service);
  await until("all are open", () => service.output().split('"GET"').length > 7);
  const startedMs = performance.now();
  service.signal("SIGTERM");
  const words = await Promise.all(
    feeds.map((feed) => nextWhere(feed, ({ comments }) => comments.length > 0)),
  );
  expect(performance.now() - startedMs).toBeLessThan(1_000);
  expect(words.map(({ comments }) => comments)).toEqual(feeds.map(() => ["shutting-down"]));
  expect(await service.exited).toEqual({ code: 0, signal: null });
  expect(performance.now() - startedMs).toBeLessThan(10_000);
  stalled.destroy();
}, 30_000);
