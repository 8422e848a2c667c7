/**
 * The service in a test, without a socket: the app of `createApp` on a database of its own, with
 * the real store, keyring, command handler, readers and loop, put together as `main.ts` does it.
 *
 * What it promises. `close` ends the loop and the pools and drops the database. Keys are fixed, so
 * that a failure can be looked into twice; what is logged goes to a file that `logText` reads.
 */
import { randomBytes } from "node:crypto";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { createCommandHandler } from "#command/handle.ts";
import { createStates } from "#command/states.ts";
import { aggregates } from "#domain/registry.ts";
import { createApp } from "#http/app.ts";
import type { AppDependencies } from "#http/dependencies.ts";
import { uuidv7 } from "#kernel/ids.ts";
import { openKeyring } from "#ops/open-keyring.ts";
import { createHealth } from "#query/health.ts";
import { createLogReader } from "#query/log.ts";
import { createQueryReader } from "#query/read.ts";
import { createStreamReader } from "#query/streams.ts";
import { createApiKey, createApiKeyLookup, mintApiKey } from "#store/api-keys.ts";
import { ensureView } from "#store/documents.ts";
import { readAfter, type StoredEvent } from "#store/events.ts";
import { createGroupCommit } from "#store/group-commit.ts";
import { openPool, type Pool } from "#store/pool.ts";
import { eventTypesOf } from "#domain/upcast.ts";
import { createLoop } from "#subscription/loop.ts";
import { openLog } from "#telemetry/log.ts";
import { openMetrics } from "#telemetry/metrics.ts";
import { inSpan, traceparent } from "#telemetry/trace.ts";

import { freshDatabase } from "./database.ts";
import { until } from "./until.ts";

const keyText = (byte: number): string => new Uint8Array(32).fill(byte).toBase64();

const keys = {
  masterKeys: `test:${keyText(1)}`,
  lookupKey: keyText(2),
  indexKey: keyText(3),
  auditSigningKey: undefined,
};

const poolOf = (url: string, name: string, size: number): Pool =>
  openPool({
    url,
    size,
    applicationName: `test ${name}`,
    statementTimeoutMs: 10_000,
    acquireTimeoutMs: 10_000,
    prepare: true,
    ssl: false,
  });

async function openViews(pool: Pool): Promise<void> {
  for (const { name, version, list } of aggregates.flatMap(({ views }) => views)) {
    const filterFields = Object.values(list?.filters ?? {}).map(({ field }) => field);
    await ensureView(pool, { name, version, filterFields });
  }
}

const eventCount = { name: "count_events", text: "select count(*) as events from varve.events" };
const slowest = {
  name: "slowest_checkpoint",
  text: "select coalesce(min(position), 0) as position from varve.checkpoints",
};

export type TestApp = Awaited<ReturnType<typeof openTestApp>>;

/** Starts it; `replaced` stands in for dependencies whose failure a test is about. */
export async function openTestApp(replaced: Partial<AppDependencies> = {}) {
  const database = await freshDatabase();
  const pool = poolOf(database.url, "main", 6);
  const workerPool = poolOf(database.url, "worker", 3);
  await openViews(pool);
  const keyring = await openKeyring(keys, pool);
  const groupCommit = createGroupCommit(pool);

  const directory = mkdtempSync(join(tmpdir(), "varve-log-"));
  const logFile = join(directory, `${randomBytes(4).toString("hex")}.log`);
  const fd = openSync(logFile, "a");
  const log = await openLog({ level: "debug", service: "test", version: "0", pretty: false, fd });

  const metrics = openMetrics();
  const settings = { mode: "sync", threshold: 100, heldMax: 1_000 } as const;
  const states = createStates({ ...settings, pool, meter: metrics.meter, log });

  const views = aggregates.flatMap((aggregate) => aggregate.views);
  const loop = createLoop({
    pool: workerPool,
    owner: uuidv7(),
    views,
    eventTypes: eventTypesOf(aggregates),
    batchSize: 100,
    continueOnError: true,
    clock: Date.now,
    log,
  });
  const running = loop.run();
  const findApiKey = createApiKeyLookup(pool);
  const startedAtMs = Date.now();
  const health = createHealth(
    pool,
    () => ({
      startedAtMs,
      draining: false,
      worker: {
        state: "running",
        silentMs: 0,
        crashes: 0,
        subscriptions: loop.report(),
      },
    }),
    Date.now,
  );
  const logReader = createLogReader(pool);
  const onAppended = (position: number): void => {
    loop.wake();
    logReader.hint(position);
  };
  const dependencies: AppDependencies = {
    aggregates,
    handle: createCommandHandler({ pool, groupCommit, keyring, states, onAppended }),
    reader: createQueryReader(pool, keyring),
    streams: createStreamReader(pool),
    logReader,
    authenticate: async (token) => {
      const found = await findApiKey(token);
      return found === undefined ? undefined : { id: `key:${found.keyId}`, scopes: found.scopes };
    },
    health: health.report,
    readiness: health.readiness,
    liveness: health.liveness,
    metrics: metrics.text,
    draining: new AbortController().signal,
    idleLimit: () => undefined,
    traced: (name, work) => inSpan(name, {}, work),
    traceparent,
    clock: Date.now,
    log,
    ...replaced,
  };
  const app = createApp(dependencies);

  /** A new key that holds the scopes. */
  const keyWith = async (...scopes: readonly string[]): Promise<string> => {
    const key = mintApiKey("test");
    await createApiKey(pool, key, "a test's", scopes);
    return key;
  };
  const fullKey = await keyWith("*");

  return {
    app,
    url: database.url,
    dependencies,
    keyWith,
    fullKey,
    /** Sends a request with the key of every scope, unless it brings its own or none (null). */
    send: async (
      path: string,
      init: RequestInit = {},
      key: string | null = fullKey,
    ): Promise<Response> => {
      const headers = new Headers(init.headers);
      if (key !== null && !headers.has("Authorization")) {
        headers.set("Authorization", `Bearer ${key}`);
      }
      return app.request(path, { ...init, headers });
    },
    /** How many events there are. */
    eventCount: async (): Promise<number> => {
      const [row] = await pool.query<{ events: number }>(eventCount, []);
      return row?.events ?? 0;
    },
    /** Events after the position, as they are stored. */
    events: (position: number): Promise<readonly StoredEvent[]> => readAfter(pool, position, 1_000),
    /** Resolves once every view has reached the position. */
    reached: (position: number): Promise<true> =>
      until(`the views reach ${position}`, async () => {
        const [row] = await pool.query<{ position: number }>(slowest, []);
        return (row?.position ?? 0) >= position;
      }),
    logText: (): string => readFileSync(logFile, "utf8"),
    close: async (): Promise<void> => {
      loop.drain();
      await running;
      await groupCommit.drain();
      await states.drain(1_000);
      await Promise.all([pool.close(1_000), workerPool.close(1_000)]);
      await database.drop();
      closeSync(fd);
      rmSync(directory, { recursive: true });
    },
  };
}

/** A command as a caller sends it. */
export const json = (body: unknown, headers: Readonly<Record<string, string>> = {}) => ({
  method: "POST",
  headers: { "Content-Type": "application/json", ...headers },
  body: JSON.stringify(body),
});
