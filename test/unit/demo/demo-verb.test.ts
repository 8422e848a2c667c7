import { afterEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { dirname, join } from "node:path";

import { type Peer, type PeerOptions, problem, startPeer } from "./peer.ts";
import { header, record, withFile } from "./samples.ts";

// Each test starts a process, which takes its time on a busy machine.
setDefaultTimeout(20_000);

const program = join(import.meta.dir, "..", "..", "..", "src", "main.ts");

let peer: Peer | undefined;
const start = (options: PeerOptions = {}): Peer => {
  peer = startPeer(options);
  return peer;
};
afterEach(async () => {
  await peer?.stop();
  peer = undefined;
});

const withKey = { VARVE_KEY: "k" };

type Run = { readonly args: readonly string[]; readonly env?: Readonly<Record<string, string>> };

/** Starts the program in an empty folder, where no development key lies. */
async function spawn({ args, env = withKey }: Run, during?: (pid: number) => Promise<void>) {
  return withFile([header, record("1", "A", 1, "1.00")].join("\n"), async (file) => {
    const cwd = dirname(file);
    const child = Bun.spawn([process.execPath, program, "demo", ...args], {
      cwd,
      env: { PATH: process.env["PATH"] ?? "", ...env },
      stdout: "pipe",
      stderr: "pipe",
    });
    await during?.(child.pid);
    const [out, err] = await Promise.all([child.stdout.text(), child.stderr.text()]);
    return { exitCode: await child.exited, out, err };
  });
}

describe("the demo command", () => {
  test("the command prints one JSON object and ends with 0 when all went well", async () => {
    const { url } = start();
    const { exitCode, out, err } = await spawn({
      args: ["--url", url, "--file", "invoices.csv", "--json"],
    });
    expect({ exitCode, err, lines: out.trimEnd().split("\n").length }).toEqual({
      exitCode: 0,
      err: "",
      lines: 1,
    });
    const { outcome, orders, shipped } = JSON.parse(out);
    expect({ outcome, orders, shipped }).toEqual({ outcome: "done", orders: 1, shipped: 1 });
  });

  test("the command finds service and key in the environment, and prints lines", async () => {
    const { url, arrivals } = start();
    const env = { VARVE_URL: url, VARVE_KEY: "from-the-environment" };
    const { exitCode, out } = await spawn({ args: ["--limit", "3"], env });
    expect(exitCode).toBe(0);
    expect(out).toContain("orders 3 · shipped 2 · delivered 0 · cancelled 0\n");
    expect(arrivals[0]?.authorization).toBe("Bearer from-the-environment");
  });

  test("the command takes the port from the environment when no address is given", async () => {
    const { url } = start();
    const env = { ...withKey, PORT: new URL(url).port };
    expect((await spawn({ args: ["--limit", "1"], env })).exitCode).toBe(0);
  });

  test("the command ends with 1 and shows the problem when a command is refused", async () => {
    const { url } = start({ before: () => problem(422, "validation-failed") });
    const { exitCode, out } = await spawn({ args: ["--url", url, "--file", "invoices.csv"] });
    expect(exitCode).toBe(1);
    expect(out).toContain("orders/1/create: 422 {");
    expect(out).toContain('"code": "validation-failed"');
  });

  const unstarted: readonly (readonly [string, number, Run])[] = [
    ["the limit is no number", 2, { args: ["--limit", "0"] }],
    ["the concurrency is too high", 2, { args: ["--concurrency", "257"] }],
    ["the address is none", 2, { args: ["--url", "localhost:3000"] }],
    ["there is no key", 78, { args: [], env: {} }],
    ["no service answers", 69, { args: ["--url", "http://127.0.0.1:1"] }],
  ];
  for (const [reason, expected, run] of unstarted) {
    test(`the command ends with ${expected} and no result when ${reason}`, async () => {
      const { exitCode, out, err } = await spawn(run);
      expect({ exitCode, out, said: err !== "" }).toEqual({
        exitCode: expected,
        out: "",
        said: true,
      });
    });
  }

  test("the command ends with 1 when there is no such file", async () => {
    const { url } = start();
    const { exitCode, err } = await spawn({ args: ["--url", url, "--file", "none.csv"] });
    expect({ exitCode, err }).toEqual({
      exitCode: 1,
      err: "varve: invalid-data: there is no file none.csv\n",
    });
  });

  test("the command says what was done and ends with 130 when it is interrupted", async () => {
    const arrived = Promise.withResolvers<void>();
    const released = Promise.withResolvers<undefined>();
    const { url, effects } = start({
      before: () => {
        arrived.resolve();
        return released.promise;
      },
    });
    // Far more than can be sent before the signal arrives.
    const args = ["--url", url, "--limit", "20000", "--concurrency", "4", "--json"];
    const { exitCode, out } = await spawn({ args }, async (pid) => {
      await arrived.promise;
      process.kill(pid, "SIGINT");
      released.resolve(undefined);
    });
    const { outcome, commands } = JSON.parse(out);
    expect({ exitCode, outcome, commands }).toEqual({
      exitCode: 130,
      outcome: "interrupted",
      commands: effects.length,
    });
    expect(effects.length).toBeLessThan(48_000);
  });
});
