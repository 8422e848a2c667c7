import { afterEach, describe, expect, test } from "bun:test";

import { planMadeUp } from "#ops/demo/made-up.ts";
import type { PlannedCommand } from "#ops/demo/plan.ts";
import { type Patience, send } from "#ops/demo/send.ts";

import { type Peer, type PeerOptions, problem, startPeer } from "./peer.ts";

const hasty: Patience = {
  requestMs: 2_000,
  backoffMsMin: 1,
  backoffMsMax: 4,
  retryAfterMsMax: 50,
  giveUpMs: 500,
};
const never = new AbortController().signal;
const [create] = planMadeUp(1, "send", Date.UTC(2026, 0, 31)).commands as [PlannedCommand];
const { orderId, customerId } = create;
const ship: PlannedCommand = {
  orderId,
  customerId,
  command: "ship",
  body: { carrier: "Royal Mail", trackingNumber: "RM1" },
};

let peer: Peer | undefined;
const start = (options: PeerOptions = {}): { url: string; key: string } => {
  peer = startPeer(options);
  return { url: peer.url, key: "varve_development_test" };
};
afterEach(async () => {
  await peer?.stop();
  peer = undefined;
});

/** Answers the first `times` arrivals by `answer`, the others as usual. */
const first = (times: number, answer: () => Response): (() => Response | undefined) => {
  let left = times;
  return () => {
    left -= 1;
    return left >= 0 ? answer() : undefined;
  };
};

describe("sending a command", () => {
  test("a command carries key, idempotency key and body when it is sent", async () => {
    const outcome = await send(start(), create, never, hasty);
    expect(outcome).toEqual({ kind: "done", position: 1 });
    expect(peer?.arrivals).toEqual([
      {
        orderId,
        command: "create",
        key: `demo:${orderId}:create`,
        authorization: "Bearer varve_development_test",
        body: structuredClone(create.body),
      },
    ]);
  });

  const passing: readonly (readonly [number, string])[] = [
    [503, "database-unavailable"],
    [429, "rate-limited"],
    [409, "idempotency-in-progress"],
    [409, "version-conflict"],
  ];
  for (const [status, code] of passing) {
    test(`a command is repeated under the same key when the answer is ${code}`, async () => {
      const service = start({ before: first(3, () => problem(status, code)) });
      const outcome = await send(service, create, never, hasty);
      const keys = peer?.arrivals.map(({ key }) => key);
      expect({ outcome, keys }).toEqual({
        outcome: { kind: "done", position: 1 },
        keys: Array.from({ length: 4 }, () => `demo:${orderId}:create`),
      });
    });
  }

  test("a command waits as long as Retry-After asks, but no longer than the bound", async () => {
    const busy = () => problem(503, "database-unavailable", { "retry-after": "3600" });
    const service = start({ before: first(1, busy) });
    const startedAt = performance.now();
    const outcome = await send(service, create, never, hasty);
    expect(outcome).toEqual({ kind: "done", position: 1 });
    expect(performance.now() - startedAt).toBeGreaterThanOrEqual(45);
  });

  test("a command is already there when its answer is replayed", async () => {
    const service = start({ idempotency: true });
    await send(service, create, never, hasty);
    expect(await send(service, create, never, hasty)).toEqual({
      kind: "already-there",
      position: 1,
    });
  });

  test("each kind of command is already there when the order is past it", async () => {
    const service = start();
    const bodiless = { orderId, customerId };
    const life: PlannedCommand[] = [
      create,
      ship,
      { ...bodiless, command: "cancel", body: { reason: "credit note C1" } },
    ];
    const kinds: string[] = [];
    const late: PlannedCommand = { ...bodiless, command: "deliver", body: {} };
    for (const planned of [...life, ...life, late]) {
      kinds.push((await send(service, planned, never, hasty)).kind);
    }
    expect(kinds).toEqual([...Array(3).fill("done"), ...Array(4).fill("already-there")]);
  });

  test("a command is already there when the answer holds no events", async () => {
    const service = start({ before: () => Response.json({ events: [] }) });
    expect(await send(service, create, never, hasty)).toEqual({
      kind: "already-there",
      position: 0,
    });
  });

  test("a command fails at once with the problem when the refusal is for good", async () => {
    const service = start({ before: () => problem(422, "validation-failed") });
    const outcome = await send(service, create, never, hasty);
    expect({ outcome, sent: peer?.arrivals.length }).toEqual({
      outcome: {
        kind: "failed",
        failure: {
          command: `orders/${orderId}/create`,
          status: 422,
          problem: {
            type: "urn:varve:problem:validation-failed",
            title: "validation-failed",
            status: 422,
            code: "validation-failed",
          },
        },
      },
      sent: 1,
    });
  });

  test("a conflict is a failure when it belongs to another command", async () => {
    const service = start({ before: () => problem(409, "order-not-cancellable") });
    const outcome = await send(service, create, never, hasty);
    expect(outcome.kind === "failed" && outcome.failure.status).toBe(409);
  });

  test("a command fails with the text when no problem document came", async () => {
    const service = start({ before: () => new Response("gone away", { status: 410 }) });
    const outcome = await send(service, create, never, hasty);
    expect(outcome.kind === "failed" && outcome.failure.problem).toBe("gone away");
  });

  test("a command fails with the last problem when the fault outlasts the patience", async () => {
    const service = start({ before: () => problem(503, "database-unavailable") });
    const outcome = await send(service, create, never, hasty);
    expect(outcome.kind === "failed" && outcome.failure.status).toBe(503);
    expect(peer?.arrivals.length).toBeGreaterThan(10);
  });

  test("a command is sent again when the connection was refused before", async () => {
    const early = startPeer();
    const port = Number(new URL(early.url).port);
    await early.stop();
    const service = { url: early.url, key: "k" };
    const outcome = send(service, create, never, { ...hasty, giveUpMs: 10_000 });
    peer = startPeer({ port });
    expect(await outcome).toEqual({ kind: "done", position: 1 });
  });

  test("a command fails without a status when nobody ever listens", async () => {
    const gone = startPeer();
    await gone.stop();
    const outcome = await send({ url: gone.url, key: "k" }, create, never, hasty);
    expect(outcome).toEqual({
      kind: "failed",
      failure: {
        command: `orders/${orderId}/create`,
        status: null,
        problem: expect.stringMatching(/connect/i),
      },
    });
  });

  test("a command is repeated when an answer takes too long", async () => {
    let hung = false;
    const held = Promise.withResolvers<Response>();
    const service = start({
      before: () => {
        if (hung) return undefined;
        hung = true;
        return held.promise;
      },
    });
    const outcome = await send(service, create, never, { ...hasty, requestMs: 50 });
    held.resolve(problem(503, "database-timeout"));
    expect(outcome).toEqual({ kind: "done", position: 1 });
  });

  test("a command stops waiting for its repeat when it is interrupted", async () => {
    const controller = new AbortController();
    const busy = () => {
      controller.abort();
      return problem(503, "database-unavailable", { "retry-after": "30" });
    };
    const service = start({ before: busy });
    const patient: Patience = { ...hasty, retryAfterMsMax: 30_000, giveUpMs: 60_000 };
    const outcome = await send(service, create, controller.signal, patient);
    expect(outcome).toEqual({ kind: "stopped" });
  });
});
