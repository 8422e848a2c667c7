import { afterEach, expect, test } from "bun:test";

import { createOrder } from "#test/support/caller.ts";
import { until } from "#test/until.ts";

import { type Harm, openHarm } from "./harm-service.ts";

let harm: Harm;
afterEach(() => harm.close());

const taken = () => new Response(null, { status: 204 });

const checkpoint = async () => {
  const rows = await harm.query<{ position: string }>(
    "select position from varve.checkpoints where subscription = 'harm'",
  );
  return Number(rows[0]?.position);
};

const liveLeases = () =>
  harm.query("select from varve.leases where expires_at > clock_timestamp()");

test("call under way is finished and not repeated when the service gets SIGTERM", async () => {
  const release = Promise.withResolvers<undefined>();
  harm = await openHarm(() => release.promise.then(taken));
  const service = await harm.start();
  await createOrder(service.target, "o");
  await until("the call is under way", () => harm.calls().length === 1);
  service.signal("SIGTERM");
  await until("it drains", () => service.output().includes('"draining"'));
  release.resolve(undefined);
  expect(await service.exited).toEqual({ code: 0, signal: null });
  expect([await checkpoint(), await liveLeases()]).toEqual([1, []]);
  expect(service.output()).not.toContain("did not drain in time");

  const next = await harm.start();
  await createOrder(next.target, "p");
  await until("the next one was called", () => harm.versionsOf("p").length === 1);
  expect(harm.calls().map(({ aggregateId, id }) => [aggregateId, id])).toEqual([
    ["o", "harm:1"],
    ["p", "harm:2"],
  ]);
}, 40_000);

test("call that does not end is left, and repeated later, when the service gets SIGTERM", async () => {
  let isUp = false;
  harm = await openHarm(() => (isUp ? taken() : Promise.withResolvers<Response>().promise));
  const service = await harm.start({ DRAIN_TIMEOUT_MS: "3000", SHUTDOWN_TIMEOUT_MS: "10000" });
  await createOrder(service.target, "o");
  await until("the call is under way", () => harm.calls().length === 1);
  const startedMs = performance.now();
  expect(await service.stop()).toEqual({ code: 0, signal: null });
  expect(performance.now() - startedMs).toBeLessThan(4_000);
  // The worker has ended by itself: its leases are free at once.
  expect(service.output()).not.toContain("did not drain in time");
  expect([await checkpoint(), await liveLeases()]).toEqual([0, []]);

  isUp = true;
  await harm.start();
  await until("it was called again", () => harm.calls().length === 2);
  await until("it is written", async () => (await checkpoint()) === 1);
  expect(harm.calls().map(({ id }) => id)).toEqual(["harm:1", "harm:1"]);
  expect(await harm.letters()).toEqual([]);
}, 40_000);
