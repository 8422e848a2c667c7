import { afterEach, expect, test } from "bun:test";
import { createServer, type AddressInfo, type Server } from "node:net";

import { openTestPool } from "#test/support/pools.ts";

let server: Server | undefined;
afterEach(() => void server?.close());

/** A server that answers the request for TLS with those bytes; gives what was sent to it then. */
async function answering(answer: Uint8Array) {
  const heard = Promise.withResolvers<string>();
  const listening = Promise.withResolvers<void>();
  let chunks = 0;
  server = createServer((socket) => {
    socket.on("error", () => undefined);
    socket.on("close", () => heard.resolve(""));
    socket.on("data", (chunk) => {
      chunks += 1;
      if (chunks === 1) return void socket.write(answer);
      heard.resolve(chunk.toString("latin1"));
      socket.destroy();
    });
  });
  server.listen(0, "127.0.0.1", listening.resolve);
  await listening.promise;
  const { port } = server.address() as AddressInfo;
  return { port, heard: heard.promise };
}

async function failure(host: string, port: number): Promise<string> {
  const pool = openTestPool(`postgres://u:p@${host}:${port}/d`, { ssl: { verify: true } });
  const failed = await pool.query({ name: "one", text: "select 1" }, []).catch(String);
  await pool.close(0);
  return typeof failed === "string" ? failed : "it answered";
}

const accepted = Uint8Array.of(83);

test("server is told the name it is wanted for when there is one", async () => {
  const { port, heard } = await answering(accepted);
  await failure("localhost", port);
  expect(await heard).toContain("localhost");
});

test("server is told no name when it is wanted by its address", async () => {
  const { port, heard } = await answering(accepted);
  await failure("127.0.0.1", port);
  const hello = await heard;
  expect([hello.length > 100, hello.includes("127.0.0.1")]).toEqual([true, false]);
});

// CVE-2021-23222: what a third party puts behind the answer would be taken for the server's words.
test("server is not spoken to when there is more behind its answer", async () => {
  const { port, heard } = await answering(Uint8Array.of(83, 82, 0, 0, 0, 8, 0, 0, 0, 0));
  const refused = "VarveError: TLS to the database failed: the server does not offer it";
  expect([await failure("localhost", port), await heard]).toEqual([refused, ""]);
});
