import { afterAll, beforeAll, expect, test } from "bun:test";
import { connect, type Socket } from "node:net";

import { openTestApp, type TestApp } from "#test/app.ts";
import { createBody } from "#test/unit/orders/samples.ts";
import { until } from "#test/until.ts";

// What a client library would never send, over a real socket.

let app: TestApp;
let server: Bun.Server<undefined>;
beforeAll(async () => {
  app = await openTestApp();
  server = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: app.app.fetch });
});
afterAll(async () => {
  await server.stop(true);
  await app.close();
});

type Wire = { readonly socket: Socket; readonly received: () => string };

function open(): Promise<Wire> {
  const { promise, resolve, reject } = Promise.withResolvers<Wire>();
  let text = "";
  const socket = connect({ host: "127.0.0.1", port: server.port ?? 0 }, () =>
    resolve({ socket, received: () => text }),
  );
  socket.on("data", (chunk: Buffer) => {
    text += chunk.toString("latin1");
  });
  socket.on("error", reject);
  return promise;
}

/** The first line of the answer to exactly these bytes. */
async function statusOf(request: string): Promise<string> {
  const { socket, received } = await open();
  socket.write(Buffer.from(request, "latin1"));
  await until("an answer", () => received().includes("\r\n") || socket.closed);
  socket.destroy();
  return received().split("\r\n", 1)[0] ?? "";
}

const head = (path: string, ...lines: readonly string[]): string =>
  [
    `POST ${path} HTTP/1.1`,
    "Host: localhost",
    `Authorization: Bearer ${app.fullKey}`,
    "Content-Type: application/json",
    ...lines,
    "\r\n",
  ].join("\r\n");

const text = JSON.stringify(createBody);

test("the server answers 4xx or closes when a request is no HTTP that it knows", async () => {
  const before = await app.eventCount();
  const requests = [
    head("/commands/orders/%ff/create", "Content-Length: 2") + "{}",
    head("/commands/orders/\xff\xfe/create", "Content-Length: 2") + "{}",
    head(`/commands/orders/${"a".repeat(60_000)}/create`, "Content-Length: 2") + "{}",
    head("/commands/orders/a b/create", "Content-Length: 2") + "{}",
    head("//commands///orders/1/create", "Content-Length: 2") + "{}",
    head("http://[::1/commands/orders/1/create", "Content-Length: 2") + "{}",
    head("*", "Content-Length: 2") + "{}",
    head("/commands/orders/1/create", "Content-Length: x") + "{}",
    head("/commands/orders/1/create", "Content-Length: -1") + "{}",
    head("/commands/orders/1/create", "Content-Length: 99999999999999999999") + "{}",
    head("/commands/orders/1/create", "Content-Length: 2", "Content-Length: 3") + "{}",
    head("/commands/orders/1/create", "Transfer-Encoding: chunked") + "zz\r\n{}\r\n0\r\n\r\n",
    head("/commands/orders/1/create", "Transfer-Encoding: gzip, chunked") + "0\r\n\r\n",
    head("/commands/orders/1/create", "Expect: the-impossible", "Content-Length: 2") + "{}",
    "POST /commands/orders/1/create HTTP/9.9\r\nHost: x\r\n\r\n",
    "GET /health\r\n\r\n",
    "\r\n\r\n\0\0\0\0\r\n\r\n",
    `GET /health HTTP/1.1\r\nHost: x\r\nX: ${"y".repeat(200_000)}\r\n\r\n`,
  ];
  for (const request of requests) {
    expect(await statusOf(request)).toMatch(/^(?:HTTP\/1\.1 4\d\d .*|HTTP\/1\.1 505 .*|)$/);
  }
  expect(await app.eventCount()).toBe(before);
  const alive = await fetch(new URL("/health/live", server.url));
  expect(alive.status).toBe(200);
});

test("the server is not led astray by its own name", async () => {
  const hosts = [
    "",
    "[",
    "a b",
    "x/queries/orders",
    "x?",
    "x#",
    "x:99999",
    "\xe9",
    "x@y",
    "%",
    ":",
  ];
  for (const host of hosts) {
    const request = `GET /health/live HTTP/1.1\r\nHost: ${host}\r\n\r\n`;
    expect(await statusOf(request)).toMatch(/^HTTP\/1\.1 (?:200|4\d\d) /);
  }
});

test("the server refuses a body over the limit before all of it was sent", async () => {
  for (const lines of [["Content-Length: 104857600"], ["Transfer-Encoding: chunked"]]) {
    const { socket, received } = await open();
    socket.on("error", () => undefined);
    socket.write(head("/commands/orders/1/ship", ...lines));
    const piece = " ".repeat(16 * 1_024);
    const sent = lines[0]?.startsWith("Content") ? piece : `4000\r\n${piece}\r\n`;
    for (let count = 0; count < 8; count += 1) socket.write(sent);
    await until("an answer", () => received().includes("\r\n\r\n"));
    expect(received()).toStartWith("HTTP/1.1 413 ");
    socket.destroy();
  }
});

test("nothing is stored and no fault is logged when a sender goes away in its body", async () => {
  const before = await app.eventCount();
  for (const start of [
    head("/commands/orders/gone/create", `Content-Length: ${text.length}`) + text.slice(0, 40),
    head("/commands/orders/gone/create", "Transfer-Encoding: chunked") +
      `28\r\n${text.slice(0, 40)}`,
  ]) {
    const { socket } = await open();
    const logged = app.logText().length;
    socket.end(start);
    socket.destroySoon();
    await until("the request ends", () => app.logText().length > logged);
    const lines = app.logText().slice(logged);
    expect(lines).toContain('"status":400');
    expect(lines).not.toContain('"level":"error"');
  }
  expect(await app.eventCount()).toBe(before);
});

test("a command that comes in single bytes is taken", async () => {
  const { socket, received } = await open();
  const request = head("/commands/orders/slow/create", "Transfer-Encoding: chunked");
  const pieces = [request, ...text.split("").map((byte) => `1\r\n${byte}\r\n`), "0\r\n\r\n"];
  for (const piece of pieces) socket.write(piece);
  await until("an answer", () => received().includes("\r\n\r\n"));
  expect(received()).toStartWith("HTTP/1.1 201 ");
  socket.destroy();
});
