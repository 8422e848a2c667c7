/**
 * `bun test/torture-subscriptions.ts [--seconds 120] [--kill 10] [--stop 17] [--lanes 8] [--json]`:
 * three processes of the service on one database under commands over HTTP, while one is killed every
 * `--kill` seconds and started anew, one is stopped past its lease every `--stop` seconds, and the
 * server ends a session every 200 ms. The code is 1 if a view is not the fold of its events, a reactor
 * was not called, or not in order of a stream, an answer is not in the log, or the proof or `verify`
 * finds anything.
 *
 * What it relies on. A durable embedded Postgres of its own, or the one in the folder PG_BIN, and a
 * copy of this tree whose domain has a reactor that calls this process; both are gone afterwards.
 */
import { randomBytes } from "node:crypto";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";

import { startEmbeddedPostgres } from "#ops/embedded-postgres.ts";
import { migrate } from "#store/migrate.ts";

import { endServices } from "./support/service.ts";
import { tortureSubscriptions } from "./support/torture-subscriptions/run.ts";

const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "120" },
    kill: { type: "string", default: "10" },
    stop: { type: "string", default: "17" },
    lanes: { type: "string", default: "8" },
    json: { type: "boolean", default: false },
  },
});

const wholeNumber = (text: string): number => {
  if (/^[1-9]\d{0,4}$/.test(text)) return Number(text);
  throw new Error(`${text} is not a whole number`);
};

const postgres = await startEmbeddedPostgres({
  directory: join(tmpdir(), `varve-torture-${randomBytes(6).toString("hex")}`),
  durable: true,
  temporary: true,
  bin: process.env["PG_BIN"],
});
try {
  await migrate({ url: postgres.url });
  const report = await tortureSubscriptions({
    url: postgres.url,
    durationMs: wholeNumber(values.seconds) * 1_000,
    killMs: wholeNumber(values.kill) * 1_000,
    stopMs: wholeNumber(values.stop) * 1_000,
    lanes: wholeNumber(values.lanes),
    note: (line) => process.stderr.write(`${line}\n`),
  });
  console.log(values.json ? JSON.stringify(report) : report);
  process.exitCode = report.faults.length === 0 ? 0 : 1;
} finally {
  await endServices();
  await postgres.stop();
}
