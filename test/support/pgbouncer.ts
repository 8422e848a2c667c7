/**
 * PgBouncer in transaction mode in front of a test's Postgres, with its settings as Debian ships
 * them but for size and addresses: above all `ignore_startup_parameters` is empty.
 *
 * What it relies on. The program `pgbouncer`; where there is none, `pgbouncer` is null and tests skip
 * themselves. It refuses to run as root, and then runs as `nobody`. Like any service it is started
 * again when it ends: 1.18.0 does now and then when a request to cancel comes (pgbouncer issue 801).
 */
import { spawn, type ChildProcess } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { until } from "#test/until.ts";

import { freePort, isOpen } from "./ports.ts";

const path = `${process.env["PATH"] ?? ""}:/usr/sbin:/usr/local/sbin`;

/** The program, or null where it is not installed. */
export const pgbouncer = Bun.which("pgbouncer", { PATH: path });
if (pgbouncer === null) {
  process.stderr.write("pgbouncer is not installed: what needs it is skipped\n");
}

const nobody = { uid: 65_534, gid: 65_534 };

export type Pooler = Awaited<ReturnType<typeof startPooler>>;

/** Starts one in front of the server of that URL, with so many sessions of it for each database. */
export async function startPooler(serverUrl: string, options: { size: number; more?: string }) {
  if (pgbouncer === null) throw new Error("there is no pgbouncer on this machine");
  const server = new URL(serverUrl);
  const port = await freePort();
  const folder = mkdtempSync(join(tmpdir(), "varve-pgbouncer-"));
  chmodSync(folder, 0o755);
  const users = join(folder, "users.txt");
  writeFileSync(users, `"${server.username}" "${server.password}"\n`);
  const ini = join(folder, "pgbouncer.ini");
  writeFileSync(
    ini,
    `[databases]
* = host=127.0.0.1 port=${server.port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = ${users}
pool_mode = transaction
default_pool_size = ${options.size}
max_client_conn = 200
${options.more ?? ""}
`,
  );
  const account = process.getuid?.() === 0 ? nobody : {};
  let [output, endings, stopping] = ["", 0, false];
  let child: ChildProcess | undefined;
  /** Until it is stopped. Rejects where it does not start. */
  async function keep(program: string, onListening: () => void): Promise<void> {
    while (!stopping) {
      const own = spawn(program, [ini], {
        ...account,
        cwd: "/",
        stdio: ["ignore", "pipe", "pipe"],
      });
      child = own;
      own.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
      own.stderr.on("data", (chunk: Buffer) => (output += chunk.toString()));
      const ended = new Promise<void>((resolve) => void own.on("close", () => resolve()));
      const hasEnded = (): boolean => own.exitCode !== null || own.signalCode !== null;
      await until("pgbouncer listens", async () => hasEnded() || isOpen(port));
      if (hasEnded() && !stopping) throw new Error(`pgbouncer does not start:\n${output}`);
      onListening();
      await ended;
      if (stopping) return;
      process.stderr.write(`pgbouncer ended by itself:\n${output.slice(-500)}`);
      endings += 1;
    }
  }
  const listening = Promise.withResolvers<void>();
  const kept = keep(pgbouncer, listening.resolve);
  // Who stops it hears of it.
  kept.catch(() => undefined);
  await Promise.race([listening.promise, kept]);
  const url = new URL(serverUrl);
  [url.hostname, url.port] = ["127.0.0.1", String(port)];
  return {
    url: url.href,
    /** What it has logged. */
    output: (): string => output,
    /** How often it has ended by itself, and was started again. */
    endings: (): number => endings,
    stop: async (): Promise<void> => {
      stopping = true;
      child?.kill("SIGKILL");
      await kept;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
