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
import { openKeyring } from "#ops/open-keyring.ts";
import { createHealth } from "#query/health.ts";
import { createLogReader } from "#query/log.ts";
import { createOperations } from "#query/operations.ts";
import { createProofReader } from "#query/proof.ts";
import { createQueryReader } from "#query/read.ts";
import { createStreamReader } from "#query/streams.ts";
import { createApiKey, createApiKeyLookup, mintApiKey } from "#store/api-keys.ts";
import { readAfter, type StoredEvent } from "#store/events.ts";
import { createGroupCommit } from "#store/group-commit.ts";
import { openPool, type Pool } from "#store/pool.ts";
import { openLog } from "#telemetry/log.ts";
import { openMetrics } from "#telemetry/metrics.ts";
import { inSpan, traceparent } from "#telemetry/trace.ts";

import { freshDatabase } from "./database.ts";
import { allViews, ensureViews, startLoop } from "./support/loops.ts";
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

const eventCount = { name: "count_events", text: "select count(*) as events from varve.events" };
const slowest = {
  name: "slowest_checkpoint",
  text: "select coalesce(min(position), 0) as position from varve.checkpoints",
};

export type TestApp = Awaited<ReturnType<typeof openTestApp>>;

/**
 * Starts it; `replaced` stands in for dependencies whose failure a test is about. One that is opened
 * beside another is a second instance on its database, without a worker; it is closed first.
 */
export async function openTestApp(
  replaced: Partial<AppDependencies> = {},
  beside?: { readonly url: string },
) {
  const own = beside === undefined ? await freshDatabase() : undefined;
  const url = own?.url ?? beside?.url ?? "";
  const pool = poolOf(url, "main", 6);
  const workerPool = poolOf(url, "worker", 3);
  await ensureViews(pool, allViews);
  const keyring = await openKeyring(keys, pool);
  const groupCommit = createGroupCommit(pool);

  const directory = mkdtempSync(join(tmpdir(), "varve-log-"));
  const logFile = join(directory, `${randomBytes(4).toString("hex")}.log`);
  const fd = openSync(logFile, "a");
  const log = await openLog({ level: "debug", service: "test", version: "0", pretty: false, fd });

  const metrics = openMetrics();
  const settings = { mode: "sync", threshold: 100, heldMax: 1_000 } as const;
  const states = createStates({ ...settings, pool, meter: metrics.meter, log });

  const loop = own && startLoop({ pool: workerPool, views: allViews, log });
  const findApiKey = createApiKeyLookup(pool);
  const startedAtMs = Date.now();
  const health = createHealth(
    pool,
    () => ({
      startedAtMs,
      draining: false,
      worker: { state: "running", silentMs: 0, crashes: 0 },
    }),
    Date.now,
  );
  const logReader = createLogReader(pool);
  const onAppended = (position: number): void => {
    loop?.wake();
    logReader.hint(position);
  };
  const dependencies: AppDependencies = {
    aggregates,
    handle: createCommandHandler({ pool, groupCommit, keyring, states, onAppended }),
    reader: createQueryReader(pool, keyring),
    streams: createStreamReader(pool),
    logReader,
    operations: createOperations(pool),
    proofs: createProofReader(pool),
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
    url,
    pool,
    keyring,
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
    /** Waits until the loop has come to its end: from then on no view moves. */
    stopViews: async (): Promise<void> => loop?.stop(),
    logText: (): string => readFileSync(logFile, "utf8"),
    close: async (): Promise<void> => {
      await loop?.stop();
      await groupCommit.drain();
      await states.drain(1_000);
      await Promise.all([pool.close(1_000), workerPool.close(1_000)]);
      await own?.drop();
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
