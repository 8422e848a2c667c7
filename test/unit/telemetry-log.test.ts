import { afterEach, beforeEach, expect, test } from "bun:test";
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { VarveError } from "#kernel/errors.ts";
import { type LogOptions, openLog, type ProcessLogger } from "#telemetry/log.ts";

let directory: string;
let fd: number;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "varve-log-"));
  fd = openSync(join(directory, "log"), "w");
});

afterEach(() => {
  closeSync(fd);
  rmSync(directory, { recursive: true });
});

const open = (options: Partial<LogOptions> = {}): Promise<ProcessLogger> =>
  openLog({ level: "info", service: "varve", version: "1.2.3", pretty: false, fd, ...options });

const written = (): string => readFileSync(join(directory, "log"), "utf8");

const lines = (): unknown[] =>
  written()
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as unknown);

test("a log line is one JSON object, on disk when the method returns", async () => {
  const log = await open();
  log.info({ port: 3000 }, "listening");
  expect(lines()).toEqual([
    {
      level: "info",
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      service: "varve",
      version: "1.2.3",
      port: 3000,
      message: "listening",
    },
  ]);
});

test("a child adds its fields when it writes, guarded like any other", async () => {
  const log = (await open()).child({ requestId: "r-1", email: "ada@example.org" });
  log.warn({ status: 409 }, "answered");
  expect(lines()).toMatchObject([{ requestId: "r-1", email: "[hidden]", status: 409 }]);
});

test("a line is not written when its level is below the one set", async () => {
  const log = await open({ level: "warn" });
  log.debug({}, "one");
  log.info({}, "two");
  log.error({}, "three");
  expect(lines()).toMatchObject([{ level: "error", message: "three" }]);
});

test("an error in the fields is written with its code, without what it quotes", async () => {
  const log = await open();
  const cause = new SyntaxError('Unexpected identifier "ada"');
  log.error({ error: new VarveError("invalid-data", "not stored", {}, cause) }, "append failed");
  expect(lines()).toMatchObject([
    { error: { code: "invalid-data", message: "not stored", cause: { type: "SyntaxError" } } },
  ]);
  expect(written()).not.toContain("ada");
});

test("a line is text for people when stdout is a terminal", async () => {
  const log = await open({ pretty: true });
  log.info({ port: 3000 }, "listening");
  expect(Bun.stripANSI(written())).toMatch(
    /^\[\d\d:\d\d:\d\d\.\d{3}\] INFO: listening \{"port":3000\}\n$/,
  );
});

/** Refuses every write with ENOSPC; only Linux has it. */
const fullDevice = "/dev/full";

test.skipIf(!existsSync(fullDevice))("a logger does not throw when the disk is full", async () => {
  const full = openSync(fullDevice, "w");
  const log = await open({ fd: full });
  const write = () => [1, 2, 3].forEach((line) => log.info({ line }, "nowhere to go"));
  expect(write).not.toThrow();
  closeSync(full);
});

test.each([true, false])(
  "the process goes on when nobody reads its log any more (pretty: %p)",
  async (pretty) => {
    const script = `
      const { openLog } = await import("#telemetry/log.ts");
      const log = await openLog({ level: "info", service: "s", version: "v", pretty: ${pretty} });
      await new Response(Bun.stdin.stream()).text();
      for (let line = 0; line < 100; line += 1) log.info({ line }, "into the void");
      console.error("still here");
    `;
    const child = Bun.spawn([process.execPath, "-e", script], {
      stdin: "pipe",
      stdout: "pipe",
      stderr: "pipe",
    });
    await child.stdout.cancel();
    await child.stdin.end();
    expect(await new Response(child.stderr).text()).toBe("still here\n");
    expect(await child.exited).toBe(0);
  },
);
