import { afterEach, beforeEach, expect, test } from "bun:test";

import { sleep } from "#kernel/clock.ts";
import { command, createOrder, query, shownOrder } from "#test/support/caller.ts";
import { caughtUp, logFaults, viewFaults } from "#test/support/invariants.ts";
import { until } from "#test/until.ts";

import { type Harm, openHarm, shipOrder } from "./harm-service.ts";

let harm: Harm;
beforeEach(async () => {
  harm = await openHarm();
});
afterEach(() => harm.close());

type Service = Awaited<ReturnType<Harm["start"]>>;

const crashesOf = (service: Service): number =>
  service.log().filter(({ message }) => message === "the worker has crashed").length;

/** Orders that harm nobody, until it is told to stop; how long each query took. */
function startTraffic({ target }: Service) {
  const orders: string[] = [];
  const queriesMs: number[] = [];
  let ended = false;
  const run = async (): Promise<void> => {
    await shipOrder(target, "first", "sound");
    await shownOrder(target, "first");
    while (!ended) {
      const id = `sound-${orders.length}`;
      await shipOrder(target, id, "sound");
      orders.push(id);
      for (let nth = 0; nth < 10; nth += 1) {
        const startedMs = performance.now();
        const answer = await query(target, "orders/first");
        await answer.arrayBuffer();
        if (answer.status !== 200) throw new Error(`a query was answered with ${answer.status}`);
        queriesMs.push(performance.now() - startedMs);
        await sleep(5);
      }
    }
  };
  const running = run();
  return {
    queriesMs,
    stop: async (): Promise<readonly string[]> => {
      ended = true;
      await running;
      return orders;
    },
  };
}

const percentile = (values: readonly number[], share: number): number =>
  values.toSorted((left, right) => left - right)[Math.floor(values.length * share)] ?? 0;

const letterIsThere = (letter: string) =>
  until("the event was put aside", async () => (await harm.letters()).includes(letter), 60_000);

/** Everything that does no harm has come through, and everything is well but for the letter. */
async function isWell(service: Service, orders: readonly string[]): Promise<void> {
  await caughtUp(harm.databaseUrl, 30_000);
  for (const order of orders) expect(harm.versionsOf(order)).toEqual([1, 2]);
  expect(await logFaults(harm.databaseUrl, [])).toEqual([]);
  expect(await viewFaults(harm.databaseUrl)).toEqual([]);
  expect(await harm.query("select from varve.proof_faults")).toEqual([]);
  const live = await fetch(`${service.url}/health/live`);
  expect(await live.json()).toMatchObject({ alive: true, details: { worker: "running" } });
  expect(await service.stop()).toEqual({ code: 0, signal: null });
}

const ofReactor = [
  "process.exit",
  "an unhandled rejection",
  "a throw in a timer",
  "an endless loop",
] as const;

const cases = [
  ...ofReactor.map((what) => ({ what, letter: "harm Order-bad handler-crashed" })),
  { what: "an endless loop of a view", letter: "harms bad handler-crashed" },
];

test.each(cases)(
  "event is put aside and all others flow when it is $what",
  async (one) => {
    const service = await harm.start();
    const traffic = startTraffic(service);
    await until("there is traffic", () => traffic.queriesMs.length > 20, 15_000);
    const startedMs = performance.now();
    await shipOrder(service.target, "bad", one.what);
    await letterIsThere(`${one.letter} waiting for a person`);
    const tookMs = performance.now() - startedMs;
    const orders = await traffic.stop();
    // The first time and one retry, as its settings say.
    expect(crashesOf(service)).toBe(2);
    expect(await harm.letters()).toEqual([`${one.letter} waiting for a person`]);
    const isSilent = service.log().some(({ message }) => message === "the worker does not beat");
    expect(isSilent).toBe(one.what.startsWith("an endless loop"));
    const p99 = percentile(traffic.queriesMs, 0.99);
    console.log(
      `${one.what}: put aside after ${Math.round(tookMs)} ms; of ${traffic.queriesMs.length}`,
      `queries meanwhile half took ${percentile(traffic.queriesMs, 0.5).toFixed(1)} ms, 99 % ${p99.toFixed(1)} ms`,
    );
    expect(p99).toBeLessThan(250);
    await isWell(service, orders);
  },
  90_000,
);

test("letter waits for a person when it ends the worker while it is tried again", async () => {
  const service = await harm.start();
  await shipOrder(service.target, "bad", "process.exit at the second attempt");
  const waiting = "harm Order-bad handler-crashed waiting for a person";
  await letterIsThere(waiting);
  expect(crashesOf(service)).toBe(1);

  // A person has it tried again, and it ends the worker again.
  await harm.query("select varve.retry_dead_letters()");
  await until("the worker has crashed", () => crashesOf(service) === 2, 15_000);
  await createOrder(service.target, "after");
  await until("others flow", () => harm.versionsOf("after").length === 1, 15_000);
  await letterIsThere(waiting);
  const attempts = await harm.query("select attempts from varve.dead_letters");
  expect(attempts).toEqual([{ attempts: 3 }]);

  await isWell(
    service,
    ["after"].filter(() => false),
  );
  expect(crashesOf(service)).toBe(2);
}, 60_000);

test("process ends with 1 when an event ends its worker again and again, and counts on after", async () => {
  const service = await harm.start();
  await createOrder(service.target, "bad");
  const cancelled = await command(service.target, "bad/cancel", { reason: "to do harm" });
  expect(cancelled.status).toBe(200);
  const deadline = sleep(60_000).then(() => "in vain" as const);
  expect(await Promise.race([service.exited, deadline])).toEqual({ code: 1, signal: null });
  expect(crashesOf(service)).toBe(5);
  const crashes = () =>
    harm.query<{ crashes: number }>(
      "select crashes from varve.suspects where subscription = 'stubborn'",
    );
  expect(await crashes()).toEqual([{ crashes: 4 }]);
  // The next one does not begin at nothing.
  await harm.start();
  await until("it is counted on", async () => ((await crashes())[0]?.crashes ?? 0) > 4, 15_000);
}, 90_000);
