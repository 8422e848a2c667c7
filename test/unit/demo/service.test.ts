import { afterEach, describe, expect, test } from "bun:test";

import { viewsCaughtUp } from "#ops/demo/service.ts";

type Answer = { readonly status: number; readonly body: string };

const signal = new AbortController().signal;
let server: { readonly stop: (now: boolean) => Promise<void> } | undefined;

/** Answers every request with the next of the answers, then with the last one for ever. */
function answering(...answers: readonly Answer[]): string {
  let no = 0;
  const started = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: () => {
      const { body, status } = answers[Math.min(no, answers.length - 1)] ?? health();
      no += 1;
      return new Response(body, { status });
    },
  });
  server = started;
  return `http://127.0.0.1:${started.port}`;
}

type Row = { readonly position: number; readonly lagEvents: number; readonly role?: null };

const health = (...rows: readonly Row[]): Answer => ({
  status: 200,
  body: JSON.stringify({
    status: "healthy",
    subscriptions: rows.map((row) => ({ role: "serving", ...row })),
  }),
});

afterEach(async () => {
  await server?.stop(true);
  server = undefined;
});

describe("the views", () => {
  const behind: readonly (readonly [string, Answer])[] = [
    ["one lags", health({ position: 9, lagEvents: 0 }, { position: 9, lagEvents: 1 })],
    ["one has not reached the position", health({ position: 8, lagEvents: 0 })],
    ["none is listed", health()],
    ["health cannot be read", { status: 503, body: "starting" }],
  ];
  for (const [reason, answer] of behind) {
    test(`the views have not caught up when ${reason}`, async () => {
      expect(await viewsCaughtUp(answering(answer), 9, { withinMs: 50, signal })).toBe(false);
    });

    test(`the views have caught up when that is over: ${reason}`, async () => {
      const url = answering(answer, health({ position: 9, lagEvents: 0 }));
      expect(await viewsCaughtUp(url, 9, { withinMs: 5_000, signal })).toBe(true);
    });
  }

  test("views have caught up although a reactor has not", async () => {
    const reactor = { role: null, position: 3, lagEvents: 6 };
    const url = answering(health(reactor, { position: 9, lagEvents: 0 }));
    expect(await viewsCaughtUp(url, 9, { withinMs: 5_000, signal })).toBe(true);
  });

  test("waiting for the views ends when it is interrupted", async () => {
    const controller = new AbortController();
    const waiting = viewsCaughtUp(answering(health()), 9, {
      withinMs: 60_000,
      signal: controller.signal,
    });
    controller.abort();
    expect(await waiting).toBe(false);
  });
});
