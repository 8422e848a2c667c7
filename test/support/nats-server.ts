/**
 * A NATS server with JetStream of a test's own.
 *
 * What it promises. Its streams lie in a folder of its own, so that they outlive its end by SIGKILL;
 * `remove` takes the folder away.
 *
 * What it relies on. The program `nats-server`; where there is none, `natsServer` is null and tests
 * skip themselves.
 */
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { connect } from "@nats-io/transport-node";
import { jetstreamManager, type JetStreamManager } from "@nats-io/jetstream";

import { until } from "#test/until.ts";

import { freePort, isOpen } from "./ports.ts";

const path = `${process.env["PATH"] ?? ""}:/usr/sbin:/usr/local/sbin`;

/** The program, or null where it is not installed. */
export const natsServer = Bun.which("nats-server", { PATH: path });
if (natsServer === null) {
  process.stderr.write("nats-server is not installed: what needs it is skipped\n");
}

export type NatsServer = Awaited<ReturnType<typeof createNatsServer>>;

/** One that does not run yet; `settings` are lines of its own configuration. */
export async function createNatsServer(settings = "") {
  const port = await freePort();
  const folder = mkdtempSync(join(tmpdir(), "varve-nats-"));
  const file = join(folder, "nats.conf");
  writeFileSync(
    file,
    `listen: "127.0.0.1:${port}"\njetstream { store_dir: "${join(folder, "store")}" }\n${settings}\n`,
  );
  let pid = 0;
  let kill: (() => Promise<void>) | undefined;

  return {
    port,
    host: `127.0.0.1:${port}`,
    start: async (): Promise<void> => {
      if (natsServer === null) throw new Error("there is no nats-server on this machine");
      const child = spawn(natsServer, ["-c", file], { stdio: ["ignore", "ignore", "pipe"] });
      let output = "";
      child.stderr.on("data", (chunk: Buffer) => (output += chunk.toString()));
      pid = child.pid ?? 0;
      const ended = Promise.withResolvers<void>();
      child.on("close", () => ended.resolve());
      kill = async () => {
        child.kill("SIGKILL");
        await ended.promise;
      };
      await until("nats-server is ready", async () => {
        if (child.exitCode !== null) throw new Error(`nats-server ended:\n${output}`);
        return output.includes("Server is ready") && (await isOpen(port));
      });
    },
    /** Of the running server, to stop it and let it go on. */
    pid: (): number => pid,
    kill: async (): Promise<void> => kill?.(),
    remove: async (): Promise<void> => {
      await kill?.();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Does something with the streams of a server, over a connection that ends with it. */
export async function withStreams<Answer>(
  servers: string,
  work: (streams: JetStreamManager) => Promise<Answer>,
): Promise<Answer> {
  const connection = await connect({ servers });
  try {
    return await work(await jetstreamManager(connection));
  } finally {
    await connection.close();
  }
}
