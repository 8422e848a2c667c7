/**
 * The composition root: the only file that sees all rooms.
 *
 * What it is: the command line, and `serve`: configuration → database → keys → store → worker → app.
 *
 * What it promises: SIGTERM or SIGINT drains, in the order not ready → requests → appends → views
 * and snapshots, and ends with 0 within SHUTDOWN_TIMEOUT_MS; a second signal, or one during the
 * start, ends at once. What was answered is committed before the process goes.
 *
 * How it fails: a start that cannot work ends with the exit code of its reason, before the port is
 * open. A worker that keeps crashing, or an exception that nobody caught, ends the process: the
 * platform starts another, and the log and the leases are made for that.
 */
import { createCommandHandler } from "#command/handle.ts";
import { createStates } from "#command/states.ts";
import { aggregates } from "#domain/registry.ts";
import { createApp } from "#http/app.ts";
import type { Principal } from "#http/dependencies.ts";
import { monotonicMs, sleep } from "#kernel/clock.ts";
import { VarveError } from "#kernel/errors.ts";
import { limits } from "#kernel/limits.ts";
import { runCli } from "#ops/cli.ts";
import { defineVerb } from "#ops/cli-arguments.ts";
import { requireConfig, type Config, type DatabaseConfig } from "#ops/config.ts";
import { connectionShares } from "#ops/config-pool.ts";
import { migrationTarget, openDatabase, poolOptions } from "#ops/database.ts";
import { developmentAccess } from "#ops/development-access.ts";
import { developmentDirectory } from "#ops/development-database.ts";
import { keysOf } from "#ops/development-keys.ts";
import { viewFingerprints } from "#ops/fingerprints.ts";
import { openKeyring } from "#ops/open-keyring.ts";
import { version } from "#ops/version.ts";
import { welcome } from "#ops/welcome.ts";
import type { Keyring } from "#pii/keyring.ts";
import { createHealth } from "#query/health.ts";
import { createLogReader } from "#query/log.ts";
import { createOperations } from "#query/operations.ts";
import { createProofReader } from "#query/proof.ts";
import { createQueryReader } from "#query/read.ts";
import { createStreamReader } from "#query/streams.ts";
import { createApiKeyLookup } from "#store/api-keys.ts";
import { createGroupCommit } from "#store/group-commit.ts";
import { assertMigrated, migrate } from "#store/migrate.ts";
import { tablePoolOptions } from "#store/partitions/tables.ts";
import { openPool, type Pool } from "#store/pool.ts";
import { assertUnpooled } from "#store/pooler.ts";
import { checkSubscriptions, declareSubscriptions } from "#subscription/declare.ts";
import { createErrorHooks } from "#subscription/hooks.ts";
import { assertTargets } from "#subscription/delivery/targets.ts";
import type { WorkerOptions } from "#subscription/messages.ts";
import { superviseWorker } from "#subscription/supervisor.ts";
import { openLog, type ProcessLogger } from "#telemetry/log.ts";
import { openMetrics } from "#telemetry/metrics.ts";
import { inSpan, traceparent } from "#telemetry/trace.ts";

/** Longer than any answer may take: a handler that waits has not written anything yet. */
const IDLE_TIMEOUT_S = 120;
/** Time for what was written to leave a pipe. */
const OUTPUT_GRACE_MS = 250;
/** What is left of the shutdown for closing pools. */
const EXIT_RESERVE_MS = 2_000;

/** What the worker thread is told. */
const workerOptions = (
  config: Config,
  database: DatabaseConfig,
  declared: Pick<WorkerOptions, "fingerprints" | "variables" | "keys">,
): Omit<WorkerOptions, "marks" | "suspects"> => ({
  ...declared,
  pool: poolOptions(database, {
    name: "worker",
    size: connectionShares(database.poolSize).worker,
  }),
  subscriptions: config.subscription,
  delivery: config.delivery,
  maintenance: { ...config.partitions, direct: tablePoolOptions(migrationTarget(database)) },
});

/** The pools of this thread. */
function openPools(database: DatabaseConfig) {
  const share = connectionShares(database.poolSize);
  const open = (name: string, size: number): Pool =>
    openPool(poolOptions(database, { name, size }));
  return {
    pool: open("commands", share.commands),
    queryPool: open("queries", share.queries),
    healthPool: open("health", share.health),
  };
}

/** The database as this program needs it: migrated, with rows for every subscription. */
async function prepareDatabase(config: Config, database: DatabaseConfig, pool: Pool) {
  const target = migrationTarget(database);
  const [fingerprints] = await Promise.all([
    viewFingerprints(aggregates),
    config.production ? assertMigrated(target) : migrate(target),
  ]);
  if (database.prepare) await assertUnpooled(pool);
  const { delivery, subscription: defaults } = config;
  const { targets } = delivery;
  await declareSubscriptions(pool, { aggregates, targets, fingerprints, defaults });
  return fingerprints;
}

/** Who hears of failures of subscriptions; more hooks may be added here, or later on. */
function openHooks(log: ProcessLogger, { meter }: ReturnType<typeof openMetrics>) {
  const hooks = createErrorHooks(log);
  hooks.onError(({ category }) => meter("varve.subscription.errors", 1, category));
  return hooks;
}

/** Opens the port. Throws `configuration-invalid` where it cannot be had. */
function listen({ port, host }: Config, fetch: (request: Request) => Response | Promise<Response>) {
  try {
    return Bun.serve({ port, hostname: host, idleTimeout: IDLE_TIMEOUT_S, fetch });
  } catch (error) {
    const message = `the port ${port} of ${host} cannot be opened: is it in use?`;
    throw new VarveError("configuration-invalid", message, {}, error);
  }
}

/** Who stands behind a bearer token. */
function openAuthentication(pool: Pool): (token: string) => Promise<Principal | undefined> {
  const findApiKey = createApiKeyLookup(pool);
  return async (token) => {
    const key = await findApiKey(token);
    return key === undefined ? undefined : { id: `key:${key.keyId}`, scopes: key.scopes };
  };
}

/** What is read out and operated, apart from health. */
const openReaders = (pool: Pool, keyring: Keyring) => ({
  reader: createQueryReader(pool, keyring),
  streams: createStreamReader(pool),
  logReader: createLogReader(pool),
  operations: createOperations(pool),
  proofs: createProofReader(pool),
});

/** Waits until every request is answered, for as long as the shutdown can spare, then takes no more. */
async function finishRequests(server: ReturnType<typeof listen>, config: Config): Promise<void> {
  // Whoever still sends a body by then cannot keep the views from their last checkpoint.
  const rest = config.shutdownTimeoutMs - config.drainTimeoutMs - EXIT_RESERVE_MS;
  const requestsMs = Math.max(rest, EXIT_RESERVE_MS);
  // It listens on while requests are answered, so that a probe hears "not ready" and no refusal.
  const until = monotonicMs() + requestsMs;
  while (server.pendingRequests > 0 && monotonicMs() < until) await sleep(limits.pollMsMin);
  await server.stop(true);
}

type Drainable = { readonly drain: (timeoutMs: number) => Promise<boolean> };

/** Lets what is behind the requests end, all of it within the same time. */
async function drainWork(
  log: ProcessLogger,
  timeoutMs: number,
  parts: Readonly<Record<string, Drainable>>,
): Promise<void> {
  const ends = Object.entries(parts).map(async ([part, { drain }]) => {
    if (!(await drain(timeoutMs))) log.warn({}, `${part} did not drain in time`);
  });
  await Promise.all(ends);
}

/** Starts everything, and resolves with the way to stop it. */
async function start(config: Config, log: ProcessLogger, giveUp: () => void) {
  const startedAtMs = Date.now();
  const draining = new AbortController();
  const variables = checkSubscriptions(aggregates, config.subscription, process.env);
  const metrics = openMetrics(() => health.gauges());
  const hooks = openHooks(log, metrics);
  await assertTargets(config.delivery.targets);
  const opened = await openDatabase(config.database, log);
  const database = opened.config;
  const { pool, queryPool, healthPool } = openPools(database);

  const fingerprints = await prepareDatabase(config, database, pool);
  const keys = await keysOf(config);
  const keyring = await openKeyring(keys, pool);
  const groupCommit = createGroupCommit(pool);
  const states = createStates({ ...config.snapshot, pool, meter: metrics.meter, log });
  const health = createHealth(
    healthPool,
    () => ({ startedAtMs, draining: draining.signal.aborted, worker: worker.status() }),
    Date.now,
  );
  const readers = openReaders(queryPool, keyring);
  const hint = (position: number): void => {
    for (const follower of [worker, readers.logReader]) follower.hint(position);
  };
  const app = createApp({
    aggregates,
    handle: createCommandHandler({ pool, groupCommit, keyring, states, onAppended: hint }),
    ...readers,
    authenticate: openAuthentication(queryPool),
    health: health.report,
    readiness: health.readiness,
    liveness: health.liveness,
    metrics: metrics.text,
    draining: draining.signal,
    idleLimit: (request, seconds) => server.timeout(request, seconds),
    traced: (name, work) => inSpan(name, {}, work),
    traceparent,
    clock: Date.now,
    log,
  });
  // Whoever finds the port open must find the key valid.
  const key = config.production ? undefined : await developmentAccess(pool, developmentDirectory);
  const server = listen(config, app.fetch);
  // After the port, since a start that fails on it must not hold leases; before any request, since
  // none is handled until this function waits.
  const worker = superviseWorker({
    worker: workerOptions(config, database, { fingerprints, variables, keys }),
    clock: monotonicMs,
    log: log.child({ thread: "worker" }),
    onGivenUp: giveUp,
    onFailure: hooks.tell,
    onMoved: readers.reader.hint,
  });
  log.info({ port: server.port }, "serving");
  if (key !== undefined) welcome(server.url, key);

  return async (): Promise<void> => {
    draining.abort();
    log.info({}, "draining");
    await finishRequests(server, config);
    await groupCommit.drain();
    await drainWork(log, config.drainTimeoutMs, { snapshots: states, "the worker": worker });
    await Promise.all([pool, queryPool, healthPool].map((one) => one.close(limits.beatMs)));
    await opened.release();
    log.info({}, "drained");
  };
}

/** Serves until a signal or a failure ends it; the process ends here. */
async function serve(): Promise<never> {
  const config = requireConfig(process.env);
  const log = await openLog({
    level: config.logLevel,
    service: config.telemetry.serviceName,
    version,
  });
  const ending = Promise.withResolvers<number>();
  let asked = false;
  let serving = false;
  const onSignal = (): void => {
    // Nobody has been answered yet, and a start can wait for minutes on a lock of the database.
    if (!serving) process.exit(0);
    if (asked) process.exit(1);
    asked = true;
    ending.resolve(0);
  };
  process.on("SIGTERM", onSignal).on("SIGINT", onSignal);
  const onDefect = (error: unknown): void => {
    log.error({ error }, "an exception that nobody caught ends the process");
    process.exit(1);
  };
  process.on("uncaughtException", onDefect).on("unhandledRejection", onDefect);

  const stop = await start(config, log, () => ending.resolve(1));
  serving = true;
  const code = await ending.promise;
  setTimeout(() => process.exit(1), config.shutdownTimeoutMs).unref();
  await stop();
  process.exit(code);
}

const serveVerb = defineVerb({
  name: "serve",
  description: "Serve commands and queries until a signal",
  run: serve,
});

process.exitCode = await runCli(process.argv.slice(2), { serve: serveVerb });
// A start that failed half-way has left things open; they do not keep the process.
setTimeout(() => process.exit(), OUTPUT_GRACE_MS).unref();
