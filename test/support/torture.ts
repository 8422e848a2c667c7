/**
 * Appends of every kind by many writers over several instances, while the server ends sessions and
 * instances start anew: what one process of a torture does, and what it finds wrong afterwards.
 *
 * What it promises. Every append has its outcome when it ends, and is compared with the log: what was
 * stored stands where the answer said, once; what was refused stands nowhere; what stayed unknown
 * stands whole or not at all. It looks at its own events alone, so that several processes may race
 * for the streams and keys of one database.
 */
import type postgres from "postgres";

import { VarveError } from "#kernel/errors.ts";
import { uuidv7 } from "#kernel/ids.ts";
import type { Append, AppendOutcome } from "#store/append.ts";
import { createGroupCommit } from "#store/group-commit.ts";
import { until } from "#test/until.ts";

import { appendTo } from "./appends.ts";
import { randomFrom } from "./load.ts";
import { openSql, openTestPool } from "./pools.ts";

export type TortureOptions = {
  readonly url: string;
  readonly writers: number;
  /** Group commits with a pool each, as so many processes of the service have them. */
  readonly instances: number;
  readonly durationMs: number;
  readonly seed: number;
};

export type TortureReport = {
  readonly appends: number;
  /** Events that are in the log. */
  readonly events: number;
  /** How often each outcome or error code came. */
  readonly outcomes: Readonly<Record<string, number>>;
  readonly kills: number;
  readonly restarts: number;
  /** What is wrong, the first few; empty where all is well. */
  readonly faults: readonly string[];
};

type Sent = { readonly append: Append; outcome: AppendOutcome | string };

/** Of all processes together: they race for them. */
const STREAMS = 100;
const KEYS = 1_000;
/** Sessions are ended often enough to hit every moment of a batch, and appends get on in between. */
const APPENDS_A_KILL = 150;
const KILLS_A_RESTART = 4;
/** On a busy machine it goes on past its time until it has disturbed this much, but not for ever. */
const KILLS_MIN = 4;
const OVERTIME_MS = 20_000;
const APPLICATION = "torture";
const FAULTS_SHOWN = 10;

/** Instances that can be closed and opened again under their writers. */
function openInstances({ url, instances }: TortureOptions) {
  const open = () => {
    const pool = openTestPool(url, { applicationName: APPLICATION });
    return { pool, groupCommit: createGroupCommit(pool) };
  };
  const all = Array.from({ length: instances }, open);
  const close = async ({ pool, groupCommit }: ReturnType<typeof open>): Promise<void> => {
    await groupCommit.drain();
    await pool.close(1_000);
  };
  return {
    append: (index: number, append: Append) =>
      (all[index % instances] as ReturnType<typeof open>).groupCommit.append(append),
    restart: async (index: number): Promise<void> => {
      const old = all[index % instances] as ReturnType<typeof open>;
      all[index % instances] = open();
      await close(old);
    },
    close: () => Promise.all(all.map(close)),
  };
}

/** What the writers ask: expectations of every kind on shared streams, keys, and repetitions. */
function createAsker(run: string) {
  /** The version that was last heard of; others may be further by now. */
  const heard = new Map<string, number>();

  const fresh = (random: () => number): Append => {
    const stream = `shared-${Math.floor(random() * STREAMS)}`;
    const version = heard.get(stream) ?? 0;
    const kinds = [0, version, version, version, null, null, Math.max(0, version - 1), version + 1];
    const expected = kinds[Math.floor(random() * kinds.length)] ?? null;
    const { events, ...append } = appendTo(stream, expected, 1 + Math.floor(random() * 3));
    const own = events.map((event) => ({ ...event, metadata: { requestId: run } }));
    if (random() > 0.3) return { ...append, events: own };
    const key = String(Math.floor(random() * KEYS));
    const idempotency = { principal: "torture", key, fingerprint: "f" };
    return { ...append, events: own, idempotency };
  };

  return {
    fresh,
    hear: ({ append: { aggregateId }, outcome }: Sent): void => {
      if (typeof outcome === "string" || outcome.outcome === "replayed") return;
      heard.set(aggregateId, Math.max(outcome.version, heard.get(aggregateId) ?? 0));
    },
  };
}

/** The same append again: it must have the first result, or find out what that was. */
const mayRepeat = ({ outcome }: Sent): boolean =>
  outcome === "outcome-unknown" ||
  (typeof outcome !== "string" &&
    (outcome.outcome === "appended" || outcome.outcome === "already"));

const sameResult = (first: Sent["outcome"], second: Sent["outcome"]): boolean =>
  typeof first === "string" ||
  typeof second === "string" ||
  Bun.deepEquals({ ...second, outcome: "appended" }, { ...first, outcome: "appended" });

type Place = { readonly position: number; readonly version: number; readonly stream: string };

/** Where the append must stand event by event; undefined: it must not; null: it may or may not. */
function expectedPlaces({ append, outcome }: Sent): readonly Place[] | undefined | null {
  if (typeof outcome === "string") return outcome === "outcome-unknown" ? null : undefined;
  if (outcome.outcome === "conflict" || outcome.outcome === "replayed") return undefined;
  const { events, aggregateId: stream } = append;
  const firstVersion = outcome.version - events.length + 1;
  return events.map((_, index) => ({
    position: outcome.position + index,
    version: firstVersion + index,
    stream,
  }));
}

/** Whether the answer is one that the expectation allows. */
function isAllowed({ append: { expectedVersion, events }, outcome }: Sent): boolean {
  if (typeof outcome === "string" || outcome.outcome === "replayed") return true;
  if (outcome.outcome === "conflict") return outcome.version !== expectedVersion;
  return expectedVersion === null || outcome.version === expectedVersion + events.length;
}

/** How the log differs from what was answered. */
async function compare(sql: postgres.Sql, run: string, sent: readonly Sent[]) {
  const rows = await sql<(Place & { id: string })[]>`
    select event_id as id, position::int, version::int, aggregate_id as stream from varve.events
     where metadata->>'requestId' = ${run}`;
  const places = new Map<string, Place>(rows.map(({ id, ...place }) => [id, place]));
  const faults: string[] = [];
  if (places.size !== rows.length) faults.push(`${rows.length - places.size} events are double`);
  let known = 0;
  for (const one of sent) {
    const found = one.append.events.map(({ id }) => places.get(id)).filter((place) => !!place);
    known += found.length;
    const expected = expectedPlaces(one);
    const isRight =
      expected === null
        ? found.length === 0 || found.length === one.append.events.length
        : Bun.deepEquals(found, expected ?? []);
    if (isRight && isAllowed(one)) continue;
    const { expectedVersion, aggregateId } = one.append;
    faults.push(JSON.stringify({ aggregateId, expectedVersion, outcome: one.outcome, found }));
  }
  if (known !== rows.length) faults.push(`${rows.length - known} events are nobody's`);
  return { events: rows.length, faults };
}

const countsOf = (sent: readonly Sent[]): Readonly<Record<string, number>> => {
  const counts: Record<string, number> = {};
  for (const { outcome } of sent) {
    const name = typeof outcome === "string" ? outcome : outcome.outcome;
    counts[name] = (counts[name] ?? 0) + 1;
  }
  return counts;
};

/** Runs one process of a torture on a migrated database, and compares its answers with the log. */
export async function torture(options: TortureOptions): Promise<TortureReport> {
  const run = uuidv7();
  const instances = openInstances(options);
  const asker = createAsker(run);
  const sql = openSql(options.url);
  const sent: Sent[] = [];
  const faults: string[] = [];
  const untilMs = performance.now() + options.durationMs;
  let [answered, kills, restarts] = [0, 0, 0];
  const isOver = (): boolean => {
    const isDisturbed = kills >= KILLS_MIN && restarts > 0;
    return performance.now() > untilMs + (isDisturbed ? 0 : OVERTIME_MS);
  };

  const write = async (writer: number): Promise<void> => {
    const random = randomFrom(options.seed + writer);
    const own: Sent[] = [];
    while (!isOver()) {
      const earlier = own[Math.floor(own.length * random() ** 0.5)];
      const isRepeat = random() < 0.15 && earlier !== undefined && mayRepeat(earlier);
      const one: Sent = isRepeat ? earlier : { append: asker.fresh(random), outcome: "" };
      const outcome = await instances
        .append(writer, one.append)
        .catch((error: unknown) => (error instanceof VarveError ? error.code : String(error)));
      if (isRepeat && !sameResult(one.outcome, outcome)) {
        faults.push(`again: ${JSON.stringify([one.outcome, outcome])}`);
      }
      // An answer is worth more than a later repetition that had none.
      if (!isRepeat || typeof outcome !== "string") one.outcome = outcome;
      if (!isRepeat) [own, sent].forEach((list) => list.push(one));
      asker.hear(one);
      answered += 1;
    }
  };

  const disturb = async (): Promise<void> => {
    const random = randomFrom(options.seed - 1);
    for (;;) {
      const before = answered;
      await until("appends get on", () => isOver() || answered > before + APPENDS_A_KILL, 60_000);
      if (isOver()) return;
      const killed = await sql`
        select pg_terminate_backend(pid) from pg_stat_activity
         where datname = current_database() and application_name = ${APPLICATION}
           and query like '%append_events%' and state = 'active' order by random() limit 1`;
      kills += killed.length;
      if (killed.length === 0 || random() > 1 / KILLS_A_RESTART) continue;
      restarts += 1;
      await instances.restart(Math.floor(random() * options.instances));
    }
  };

  await Promise.all([
    disturb(),
    ...Array.from({ length: options.writers }, (_, writer) => write(writer)),
  ]);
  await instances.close();
  const compared = await compare(sql, run, sent);
  await sql.end({ timeout: 1 });
  return {
    appends: answered,
    events: compared.events,
    outcomes: countsOf(sent),
    kills,
    restarts,
    faults: [...faults, ...compared.faults].slice(0, FAULTS_SHOWN),
  };
}
