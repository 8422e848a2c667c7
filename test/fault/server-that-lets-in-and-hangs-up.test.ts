import { afterEach, beforeEach, expect, test } from "bun:test";
import { createServer, type AddressInfo, type Server } from "node:net";

import { openTestPool } from "#test/support/pools.ts";

let server: Server;
let visits = 0;
beforeEach(async () => {
  visits = 0;
  server = createServer((socket) => {
    visits += 1;
    socket.on("error", () => undefined).end();
  });
  const { promise, resolve } = Promise.withResolvers<void>();
  server.listen(0, "127.0.0.1", resolve);
  await promise;
});
afterEach(() => void server.close());

const url = (): string => `postgres://u:p@127.0.0.1:${(server.address() as AddressInfo).port}/d`;

// A balancer without a server behind it does this. The driver alone asked 800 times a second.
test("call fails at once, and is one visit, when the server lets in and hangs up", async () => {
  const pool = openTestPool(url());
  const ask = () => pool.query({ name: "one", text: "select 1" }, []);
  const startMs = performance.now();
  const failures = [];
  for (let call = 1; call <= 3; call += 1) {
    failures.push(
      await ask().catch((error: { code: string; context: object }) => [error.code, error.context]),
    );
  }
  const failure = ["database-unavailable", { reason: "CONNECTION_CLOSED" }];
  expect([failures, visits]).toEqual([[failure, failure, failure], 3]);
  expect(performance.now() - startMs).toBeLessThan(1_000);
  await pool.close(0);
});

test("call fails at once when the server hangs up on the request for TLS", async () => {
  const pool = openTestPool(url(), { ssl: { verify: false } });
  const failure = await pool.query({ name: "one", text: "select 1" }, []).catch(String);
  expect([failure, visits]).toEqual([
    "VarveError: TLS to the database failed: CONNECTION_CLOSED",
    1,
  ]);
  await pool.close(0);
});
