// The README as a stranger reads it: its lines are run as they stand, in a copy of the tree that has
// nothing installed and no `.varve/`.
import { existsSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";

import { afterAll, beforeAll, describe, expect, test } from "bun:test";

import { blocksOf } from "#test/architecture/readme.ts";
import { until } from "#test/until.ts";

import { bunFolder, copyTree, run, type Running } from "./tree-copy.ts";

const readme = readFileSync("README.md", "utf8");
const [setUp = "", curls = ""] = blocksOf(readme, "sh");
const [devLine = "", testLine = ""] = setUp.trim().split("\n");
const [keyLine = "", ...calls] = curls.trim().split(/\n\n/);

const curl = Bun.which("curl");
if (curl === null) process.stderr.write("skipped: there is no curl on the PATH\n");

/** The port of the README, or another where somebody has it. */
async function freePort(): Promise<number> {
  const listen = (port: number): Promise<number | undefined> => {
    const { promise, resolve } = Promise.withResolvers<number | undefined>();
    const server = createServer();
    server.on("error", () => resolve(undefined));
    server.listen(port, "::", () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" ? address?.port : undefined));
    });
    return promise;
  };
  return (await listen(3_000)) ?? (await listen(0)) ?? 0;
}

let tree = "";
let tools = "";
let port = 0;
let dev: Running;

/** Runs a line of the README in the copy; `bun` is the one that runs this test. */
const shell = (line: string): Running =>
  run(tree, ["sh", "-c", line.replaceAll("localhost:3000", `localhost:${port}`)], {
    PATH: `${tools}:${process.env["PATH"]}`,
    ...(port === 3_000 ? {} : { PORT: String(port) }),
  });

/** What the line writes. Throws unless it ends with 0. */
async function said(line: string): Promise<string> {
  const running = shell(line);
  const code = await running.ended();
  if (code !== 0) throw new Error(`${line} ended with ${code}:\n${running.output()}`);
  return running.output();
}

const keptTest = (path: string): boolean =>
  !path.endsWith(".test.ts") || path.startsWith("test/unit/orders/");

beforeAll(async () => {
  // This test is not among the tests of the copy, which would go on for ever.
  tree = copyTree(keptTest);
  tools = bunFolder();
  port = await freePort();
  dev = shell(`exec ${devLine}`);
  await dev.seen(/varve is ready on http:\/\/localhost:\d+/);
});

afterAll(async () => {
  dev.child.kill("SIGTERM");
  await dev.ended();
  for (const folder of [tree, tools]) rmSync(folder, { recursive: true });
});

describe.skipIf(curl === null)("the README's first lines", () => {
  const call = (line: string): Promise<string> => said(`${keyLine}\n${line}`);

  test("create an order, ship it and read it opened when they are run in turn", async () => {
    expect([devLine.split("#")[0]?.trim(), calls.length]).toEqual(["bun run dev", 3]);
    const [create = "", ship = "", read = ""] = calls;
    expect(await call(create)).toContain("HTTP/1.1 201 Created");
    expect(await call(ship)).toContain("HTTP/1.1 200 OK");
    // The view follows within milliseconds, but may be a moment behind whoever types that fast.
    const order = await until("the order is shipped", async () => {
      const [, answer = "{}"] = /(\{.*\})/.exec(await call(read)) ?? [];
      const document = JSON.parse(answer) as Record<string, unknown>;
      return document["status"] === "shipped" && document;
    });
    expect(order).toMatchObject({
      orderId: "o-1001",
      contact: { name: "Ada Example", email: "ada@example.org" },
      shippingAddress: { city: "Leeds", country: "GB" },
      total: { amount: 1_530, currency: "GBP" },
      trackingNumber: "RM1001",
      version: 2,
    });
  });

  test("go on to an order that is delivered in the first answer when the query waits for it", async () => {
    const waiting = blocksOf(readme, "sh").find((block) => block.includes("Varve-Min-Position"));
    expect(await call(waiting ?? "")).toContain('"status":"delivered"');
  });

  test("are greeted by commands that work when the service is ready", async () => {
    const [create = "", read = ""] = dev.output().match(/^curl [\s\S]*?'$(?=\n\n)/gm) ?? [];
    expect(await said(create)).toContain("HTTP/1.1 201 Created");
    const answer = /"status":"created"/;
    await until("the order is there", async () => answer.test(await said(read)));
  });
});

describe("the README's other lines", () => {
  test("do what they say when they are given to the command line", async () => {
    const lines = [...readme.matchAll(/`(bun run varve (?!bench)[^`]+)`/g)].map(
      ([, line = ""]) => line,
    );
    expect(lines.map((line) => line.split(" ")[3])).toContainValues(["keys", "migrate", "config"]);
    for (const line of lines) expect([line, await said(line)]).toEqual([line, expect.any(String)]);
  });

  test("pass the tests with a last line of totals when tests are run", async () => {
    expect(testLine.split("#")[0]?.trim()).toBe("bun run test");
    expect((await said(testLine)).trimEnd().split("\n").at(-1)).toMatch(
      /^[1-9]\d* passed, 0 failed$/,
    );
  });

  test("leave nothing running when dev is stopped", async () => {
    dev.child.kill("SIGTERM");
    expect(await dev.ended()).toBe(0);
    expect(existsSync(join(tree, ".varve/postgres/postmaster.pid"))).toBe(false);
    expect(existsSync(join(tree, ".varve/dev-key"))).toBe(true);
  });
});
