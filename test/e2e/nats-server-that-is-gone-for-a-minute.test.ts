import { afterEach, beforeEach, describe, expect, test } from "bun:test";

import {
  createNatsServer,
  natsServer,
  type NatsServer,
  withStreams,
} from "#test/support/nats-server.ts";
import { until } from "#test/until.ts";

import { orderNames, type Publishing, shipOrders, startPublishing } from "./publications.ts";

const MINUTE_MS = 60_000;

describe.skipIf(natsServer === null)("a service whose NATS server is gone for a minute", () => {
  let server: NatsServer;
  let publishing: Publishing;
  beforeEach(async () => {
    server = await createNatsServer();
    await server.start();
    await withStreams(server.host, ({ streams }) =>
      streams.add({ name: "EVENTS", subjects: ["varve.>"] }),
    );
    publishing = await startPublishing(`nats://${server.host}`);
  });
  afterEach(async () => {
    await publishing.close();
    await server.remove();
  });

  type Message = { readonly id: string; readonly subject: string; readonly version: number };

  const stored = (): Promise<readonly Message[]> =>
    withStreams(server.host, async ({ streams }) => {
      const { state } = await streams.info("EVENTS");
      const all = Array.from({ length: state.messages }, async (_, index) => {
        const message = await streams.getMessage("EVENTS", { seq: index + 1 });
        if (message === null) throw new Error("a message is missing");
        const event = message.json<{ id: string; subject: string; streamversion: number }>();
        expect(message.header.get("Nats-Msg-Id")).toBe(event.id);
        return { id: event.id, subject: event.subject, version: event.streamversion };
      });
      return Promise.all(all);
    });

  test("pauses, says so, and publishes every event once and in order when it is back", async () => {
    await shipOrders(publishing, orderNames("before", 10));
    await until("it is published", async () => (await publishing.health())?.lagEvents === 0);
    await server.kill();
    const goneMs = performance.now();
    await shipOrders(publishing, orderNames("meanwhile", 40));
    await until("health says that it pauses", async () => {
      const health = await publishing.health();
      return health?.state === "error" && health.lagEvents === 80;
    });
    expect(await publishing.health()).toMatchObject({
      status: "unhealthy",
      lastError: "dependency-unavailable",
      deadLetters: 0,
    });
    await Bun.sleep(MINUTE_MS - (performance.now() - goneMs));
    const health = await publishing.health();
    // No progress for half a minute.
    expect(health).toMatchObject({
      state: "stalled",
      lagEvents: 80,
      lastError: "dependency-unavailable",
      deadLetters: 0,
    });
    // It has tried again and again, and did not fill the log with it.
    expect(health?.errorRatePerMinute).toBeGreaterThanOrEqual(5);
    const told = publishing.service.log().filter(({ code }) => code === "dependency-unavailable");
    expect(told.map(({ subscription, outcome }) => [subscription, outcome])).toEqual([
      ["order-events", "paused"],
    ]);
    expect(await publishing.letters()).toEqual([]);

    const backMs = performance.now();
    await server.start();
    await shipOrders(publishing, orderNames("after", 10));
    const isWell = async (): Promise<boolean> => {
      const health = await publishing.health();
      return health?.lagEvents === 0 && health.state === "live" && health.lastError === null;
    };
    await until("it has caught up", isWell, 30_000);
    console.log(`100 events behind, well after ${Math.round(performance.now() - backMs)} ms`);
    const messages = await stored();
    const ids = messages.map(({ id }) => id);
    expect(ids.toSorted()).toEqual([...(await publishing.eventIds())].toSorted());
    for (const [subject, of] of Map.groupBy(messages, (message) => message.subject)) {
      expect([subject, of.map(({ version }) => version)]).toEqual([subject, [1, 2]]);
    }
    expect(await publishing.service.stop()).toEqual({ code: 0, signal: null });
  }, 150_000);
});
