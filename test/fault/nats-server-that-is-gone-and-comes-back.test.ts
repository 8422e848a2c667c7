import { createServer, type AddressInfo } from "node:net";

import { afterEach, beforeEach, describe, expect, test } from "bun:test";

import { type ErrorContext, VarveError } from "#kernel/errors.ts";
import { cloudEventOf } from "#subscription/delivery/cloud-event.ts";
import { createJetStream, loadNatsClient } from "#subscription/delivery/jetstream.ts";
import type { Target } from "#subscription/delivery/target.ts";
import {
  createNatsServer,
  natsServer,
  type NatsServer,
  withStreams,
} from "#test/support/nats-server.ts";
import { created, never } from "#test/unit/delivery/samples.ts";
import { until } from "#test/until.ts";

const eventOf = (eventId: string) => cloudEventOf({ ...created, eventId }, "urn:varve:shop");

const patience = { connectMs: 1_500, acknowledgeMs: 300, sendMs: 3_000 };

const open = async (host: string): Promise<Target> =>
  createJetStream(
    { name: "order-events", url: `nats://${host}`, secrets: [], patience },
    await loadNatsClient(),
  );

/** `taken`, or why not. Fails where it took longer than it may. */
async function attempt(target: Target, id: string, signal = never) {
  const startedAt = performance.now();
  const outcome: unknown = await target.send(eventOf(id), signal).then(
    () => "taken",
    (error: unknown) => error,
  );
  expect(performance.now() - startedAt).toBeLessThan(patience.sendMs + 2_000);
  if (!(outcome instanceof VarveError)) return outcome;
  expect(outcome.code).toBe("dependency-unavailable");
  return reasonOf(outcome.context);
}

const reasonOf = ({ reason }: ErrorContext) => reason;

const taken = (target: Target, id: string): Promise<boolean> =>
  until(`${id} is taken`, async () => (await attempt(target, id)) === "taken", 15_000);

describe.skipIf(natsServer === null)("a NATS server", () => {
  let server: NatsServer;
  let target: Target;

  const idsStored = () =>
    withStreams(server.host, async ({ streams }) => {
      const { state } = await streams.info("EVENTS");
      const sequences = Array.from({ length: state.messages }, (_, index) => index + 1);
      const messages = sequences.map((seq) => streams.getMessage("EVENTS", { seq }));
      return (await Promise.all(messages)).map((message) => message?.header.get("Nats-Msg-Id"));
    });

  beforeEach(async () => {
    server = await createNatsServer();
    target = await open(server.host);
  });
  afterEach(async () => {
    await target.close();
    await server.remove();
  });

  const start = async (): Promise<void> => {
    await server.start();
    await withStreams(server.host, ({ streams }) =>
      streams.add({ name: "EVENTS", subjects: ["varve.>"] }),
    );
  };

  test("is unavailable until it is there, when it was not there at first", async () => {
    expect(await attempt(target, "a")).toBe("ConnectionError");
    expect(await attempt(target, "a")).toBe("ConnectionError");
    await start();
    expect(await attempt(target, "a")).toBe("taken");
    expect(await idsStored()).toEqual(["a"]);
  });

  test("takes what waits, each event once and in order, when it was killed and is back", async () => {
    await start();
    expect(await attempt(target, "a")).toBe("taken");
    for (const id of ["b", "c"]) {
      await server.kill();
      await until("it is missed", async () => (await attempt(target, id)) === "disconnected");
      await server.start();
      await taken(target, id);
    }
    await taken(target, "c");
    expect(await idsStored()).toEqual(["a", "b", "c"]);
  });

  test("is unavailable in time when it hangs, and takes the event once when it goes on", async () => {
    await start();
    expect(await attempt(target, "a")).toBe("taken");
    process.kill(server.pid(), "SIGSTOP");
    await until("it hangs", async () => (await attempt(target, "a")) === "TimeoutError");
    expect(await attempt(target, "b")).toBe("TimeoutError");
    const caller = new AbortController();
    const waiting = attempt(target, "b", caller.signal);
    caller.abort();
    expect(await waiting).toBe("aborted");
    process.kill(server.pid(), "SIGCONT");
    await taken(target, "b");
    expect(await idsStored()).toEqual(["a", "b"]);
  });

  test("never hears of an event whose caller gave up before there was a connection", async () => {
    await start();
    process.kill(server.pid(), "SIGSTOP");
    const caller = new AbortController();
    const waiting = attempt(target, "a", caller.signal);
    caller.abort();
    expect(await waiting).toBe("aborted");
    process.kill(server.pid(), "SIGCONT");
    await taken(target, "b");
    expect(await idsStored()).toEqual(["b"]);
  });

  test("is let go at once when the target is closed, also while it is gone", async () => {
    await start();
    expect(await attempt(target, "a")).toBe("taken");
    await server.kill();
    await until("it is missed", async () => (await attempt(target, "b")) === "disconnected");
    const startedAt = performance.now();
    await target.close();
    expect(performance.now() - startedAt).toBeLessThan(200);
    expect(await attempt(target, "b")).toBe("aborted");
  });
});

test("a NATS target is unavailable in time when somebody else is silent at its address", async () => {
  const silent = createServer(() => undefined).listen(0, "127.0.0.1");
  await until("it listens", () => silent.listening);
  const target = await open(`127.0.0.1:${(silent.address() as AddressInfo).port}`);
  expect(await attempt(target, "a")).toBe("TimeoutError");
  await target.close();
  silent.close();
});

test("a process ends by itself when it has closed a target whose server is gone", async () => {
  const program = `
    import { createJetStream, loadNatsClient } from "#subscription/delivery/jetstream.ts";
    const config = { name: "order-events", url: "nats://127.0.0.1:1", secrets: [] };
    const target = createJetStream(config, await loadNatsClient());
    await target.send({ type: "varve.A.B" }, new AbortController().signal).catch((error) => console.log(error.code));
    await target.close();
  `;
  const child = Bun.spawn([process.execPath, "-e", program], { stdout: "pipe", stderr: "pipe" });
  const said = new Response(child.stdout).text();
  const complained = new Response(child.stderr).text();
  expect([await child.exited, await said, await complained]).toEqual([
    0,
    "dependency-unavailable\n",
    "",
  ]);
});
