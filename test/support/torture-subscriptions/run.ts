/**
 * Subscriptions while instances die, stand still and lose their sessions: what a torture does, and
 * what it finds wrong afterwards.
 *
 * What it promises. Once all has calmed down, every view is compared with the fold of the log, every
 * call of the reactor with the log, and what each checkpoint says that it has taken with what there
 * was to take: two holders in effect, or none, would be seen there.
 */
import { join } from "node:path";

import { sleep } from "#kernel/clock.ts";
import { logFaults, type Sql, viewFaults, withSql } from "#test/support/invariants.ts";
import { openSql } from "#test/support/pools.ts";
import { createKey, type ProcessOptions, runVerb } from "#test/support/service.ts";
import { until } from "#test/until.ts";

import { endSession, startInstances } from "./instances.ts";
import { type Sent, sendOrders } from "./orders.ts";
import { type Call, callFaults, copyWithRecorder, startRecorder } from "./recorder.ts";

export type SubscriptionTorture = {
  readonly url: string;
  readonly durationMs: number;
  readonly killMs: number;
  readonly stopMs: number;
  readonly lanes: number;
  readonly note: (line: string) => void;
};

const INSTANCES = 3;
const SESSION_MS = 200;
/** For what was put off to be tried again, the longest rest included. */
const CALM_MS = 120_000;
const FAULTS_SHOWN = 20;

const disturb = async (
  everyMs: number,
  isOver: () => boolean,
  step: () => Promise<boolean>,
): Promise<number> => {
  let done = 0;
  for (;;) {
    const dueMs = performance.now() + everyMs;
    while (performance.now() < dueMs && !isOver()) await sleep(Math.min(100, everyMs));
    if (isOver()) return done;
    if (await step()) done += 1;
  }
};

/** What is still to come: checkpoints that are behind, and letters that wait. */
const unsettled = (sql: Sql) => sql<{ what: string }[]>`
  select c.subscription || ' ' || c.partition || ' is at ' || c.position as what
    from varve.checkpoints c
   where c.position < (select coalesce(max(position), 0) from varve.events)
   union all
  select 'letter ' || d.subscription || ' ' || d.position || ' ' || d.error_code
    from varve.dead_letters d where d.state = 'waiting'`;

/** What each subscription has taken, against what the log has for it. */
const proofFaults = (sql: Sql) => sql<{ fault: string }[]>`
  with wanted as (
    select s.name, (select count(*) from varve.events e where e.event_type = any (s.event_types))
      as events from varve.subscriptions s
  ), taken as (
    select c.subscription as name, sum(c.taken_count) as events from varve.checkpoints c group by 1
  )
  select w.name || ' has taken ' || t.events || ' of ' || w.events as fault
    from wanted w join taken t using (name) where t.events <> w.events
   union all
  select f.kind || ' ' || f.subscription || ' ' || f.after_position || '..' || f.to_position
    from varve.proof_faults f`;

/** What is wrong once nothing moves any more. */
async function faultsAfter(
  options: ProcessOptions,
  { answers }: Sent,
  calls: readonly Call[],
): Promise<readonly string[]> {
  const { databaseUrl: url } = options;
  const own = await withSql(url, async (sql) => {
    const events = await sql<Omit<Call, "id">[]>`
      select aggregate_id as stream, version, position from varve.events order by position`;
    return [...(await proofFaults(sql)).map(({ fault }) => fault), ...callFaults(calls, events)];
  });
  const verified = await runVerb(["verify"], options);
  return [
    ...own,
    ...(await viewFaults(url)),
    ...(await logFaults(url, answers)),
    ...(verified.code === 0 ? [] : [`verify: ${verified.stdout}${verified.stderr}`]),
  ];
}

/** Runs a torture on a migrated database. */
export async function tortureSubscriptions(torture: SubscriptionTorture) {
  const { url, durationMs, killMs, stopMs, lanes, note } = torture;
  const recorder = startRecorder();
  const { tree, remove } = copyWithRecorder();
  const options = {
    databaseUrl: url,
    command: [process.execPath, join(tree, "src/main.ts")],
    environment: { RECORDER_URL: recorder.url, INSTANCE_COUNT: String(INSTANCES) },
  };
  const sql = openSql(url);
  try {
    const key = await createKey(options);
    const instances = await startInstances(options, INSTANCES);
    const untilMs = performance.now() + durationMs;
    const isOver = (): boolean => performance.now() > untilMs;
    note("all instances serve");
    const [sent, kills, stops, sessions] = await Promise.all([
      sendOrders(instances, key, { lanes, isOver }),
      disturb(killMs, isOver, instances.kill),
      disturb(stopMs, isOver, instances.hold),
      disturb(SESSION_MS, isOver, () => endSession(sql)),
    ]);
    note(`calm: ${sent.answers.length} commands, ${kills} killed, ${stops} stopped`);
    const faults = [...sent.faults];
    await withSql(url, (calm) =>
      until("all is taken", async () => (await unsettled(calm)).length === 0, CALM_MS).catch(
        async () => {
          for (const { what } of await unsettled(calm)) faults.push(`unsettled: ${what}`);
        },
      ),
    );
    await instances.close();
    faults.push(...instances.faults, ...(await faultsAfter(options, sent, recorder.calls)));
    const { calls } = recorder;
    const distinct = new Set(calls.map(({ id }) => id)).size;
    return {
      seconds: durationMs / 1_000,
      commands: sent.answers.length,
      repeats: sent.repeats,
      events: (await sql`select 1 from varve.events`).length,
      calls: calls.length,
      repeatedCalls: calls.length - distinct,
      letters: (await sql`select 1 from varve.dead_letters`).length,
      kills,
      stops,
      sessionsEnded: sessions,
      failedStarts: instances.failedStarts(),
      faults: faults.slice(0, FAULTS_SHOWN),
    };
  } finally {
    await sql.end({ timeout: 1 });
    await recorder.stop();
    remove();
  }
}
