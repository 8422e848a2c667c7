import { getEventListeners } from "node:events";
import { createServer, type AddressInfo, type Server, type Socket } from "node:net";

import { afterEach, describe, expect, test } from "bun:test";

import { VarveError } from "#kernel/errors.ts";
import { cloudEventOf } from "#subscription/delivery/cloud-event.ts";
import { createWebhook } from "#subscription/delivery/webhook.ts";
import { withoutValues } from "#subscription/error-fields.ts";
import { safeError } from "#telemetry/safe-fields.ts";
import { openCertificates } from "#test/support/certificates.ts";
import { freePort } from "#test/support/ports.ts";
import { type Answering, type Receiver, startReceiver } from "#test/support/receiver.ts";
import { created, never, secretOf } from "#test/unit/delivery/samples.ts";
import { until } from "#test/until.ts";

const event = cloudEventOf(
  { ...created, payload: { ...created.payload, customerId: "payload-canary" } },
  "urn:varve:shop",
);
const secret = secretOf(7);

const receivers: Receiver[] = [];
const peers: Server[] = [];
afterEach(async () => {
  await Promise.all(receivers.splice(0).map((receiver) => receiver.stop()));
  for (const peer of peers.splice(0)) peer.close();
});

function receiving(answer: Answering): string {
  const receiver = startReceiver(answer);
  receivers.push(receiver);
  return receiver.url;
}

/** A server that is no HTTP server: what it does with a connection is the test's. */
async function peering(meet: (socket: Socket) => void): Promise<string> {
  const server = createServer(meet).listen(0, "127.0.0.1");
  peers.push(server);
  await until("it listens", () => server.listening);
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** What came of one attempt: `taken`, or the error. Fails where it took longer than it may. */
async function attempt(url: string, signal = never, timeoutMs = 5_000) {
  const options = { name: "order-events", url: `${url}/path?of=query-canary`, secrets: [secret] };
  const webhook = createWebhook({ ...options, clock: Date.now, timeoutMs });
  const startedAt = performance.now();
  const outcome: unknown = await webhook.send(event, signal).then(
    () => "taken",
    (error: unknown) => error,
  );
  expect(performance.now() - startedAt).toBeLessThan(timeoutMs + 2_000);
  return outcome;
}

const unavailable = (reason: unknown) => ({
  code: "dependency-unavailable",
  context: { target: "order-events", reason },
});

const facts = (error: unknown) =>
  error instanceof VarveError ? { code: error.code, context: error.context } : error;

/** Resolves when the request is cut. */
const hanging: Answering = () => Promise.withResolvers<Response>().promise;

describe("a delivery", () => {
  test("is unavailable in time when the receiver never answers", async () => {
    const error = await attempt(receiving(hanging), never, 200);
    expect(facts(error)).toEqual(unavailable("timeout"));
  });

  test("ends at once when its caller gives up, before or while it waits", async () => {
    const url = receiving(hanging);
    const caller = new AbortController();
    const waiting = attempt(url, caller.signal);
    await until("it was sent", () => receivers[0]?.received.length === 1);
    caller.abort();
    expect(facts(await waiting)).toEqual(unavailable("aborted"));
    expect(facts(await attempt(url, caller.signal))).toEqual(unavailable("aborted"));
    expect(receivers[0]?.received).toHaveLength(1);
  });

  test("leaves nothing on the signal of its caller when it has ended", async () => {
    const caller = new AbortController();
    await attempt(
      receiving(() => new Response(null, { status: 204 })),
      caller.signal,
    );
    await attempt(`http://127.0.0.1:${await freePort()}`, caller.signal);
    expect(getEventListeners(caller.signal, "abort")).toEqual([]);
  });

  test("is unavailable when nobody listens, hangs up, or speaks something else", async () => {
    const word = expect.stringMatching(/^[A-Za-z_]+$/) as unknown;
    const nobody = await attempt(`http://127.0.0.1:${await freePort()}`);
    expect(facts(nobody)).toEqual(unavailable("ECONNREFUSED"));
    const hungUp = await attempt(await peering((socket) => socket.destroy()));
    expect(facts(hungUp)).toEqual(unavailable(word));
    const other = await attempt(await peering((socket) => socket.end("SSH-2.0-canary\r\n")));
    expect(facts(other)).toEqual(unavailable(word));
  });

  test("is unavailable, and nothing was sent, when the certificate is nobody's", async () => {
    const certificates = openCertificates({ uid: process.getuid?.() ?? 0, gid: 0 });
    const { certFile, keyFile } = certificates.createAuthority().issue("IP:127.0.0.1");
    let requests = 0;
    const server = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      tls: { cert: Bun.file(certFile), key: Bun.file(keyFile) },
      fetch: () => {
        requests += 1;
        return new Response();
      },
    });
    const error = await attempt(`https://127.0.0.1:${server.port}`);
    await server.stop(true);
    certificates.remove();
    expect(facts(error)).toEqual(unavailable("UNABLE_TO_VERIFY_LEAF_SIGNATURE"));
    expect(requests).toBe(0);
  });

  test("is done when it was taken and the answer has no end", async () => {
    let written = 0;
    let cut = false;
    const endless = () =>
      new Response(
        new ReadableStream({
          pull: (controller) => {
            written += 65_536;
            controller.enqueue(new Uint8Array(65_536));
          },
          cancel: () => {
            cut = true;
          },
        }),
      );
    expect(await attempt(receiving(endless))).toBe("taken");
    // By whoever cut it, and not by the garbage collector, which takes longer.
    await until("the answer is cut", () => cut, 500);
    // What lies in the buffers of both sides.
    expect(written).toBeLessThan(32 * 1024 * 1024);
  });

  test("is done when it was taken and the answer stands still", async () => {
    const stuck = () =>
      new Response(new ReadableStream({ start: (controller) => controller.enqueue("a") }));
    expect(await attempt(receiving(stuck))).toBe("taken");
  });

  test("tells nothing of payload, address or secret in any way that it fails", async () => {
    const status = (code: number) =>
      receiving(() => new Response("answer-canary", { status: code }));
    const errors = [
      await attempt(`http://127.0.0.1:${await freePort()}`),
      await attempt(await peering((socket) => socket.end("canary\r\n"))),
      await attempt(receiving(hanging), never, 100),
      await attempt(status(302)),
      await attempt(status(410)),
      await attempt(status(500)),
      await attempt(status(503)),
    ];
    const told = errors.map((error) => [
      error instanceof VarveError,
      Bun.inspect(error),
      JSON.stringify([safeError(error), withoutValues({ error })]),
    ]);
    expect(told.map(([isExpected]) => isExpected)).toEqual(errors.map(() => true));
    const text = JSON.stringify(told);
    for (const canary of ["canary", "/path", secret.slice(6), "127.0.0.1"]) {
      expect(text).not.toContain(canary);
    }
  });
});
