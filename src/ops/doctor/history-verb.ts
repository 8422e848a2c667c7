import { aggregates } from "#domain/registry.ts";
import { requireConfig, type Environment } from "#ops/config.ts";
import { withPool } from "#ops/database.ts";
import type { ExitCode } from "#ops/exit.ts";
import { catchInterrupts } from "#ops/interrupts.ts";
import { progressLine, writeLine } from "#ops/output.ts";

import { examineHistory } from "./history.ts";
import { describeHistory, historyExit } from "./history-report.ts";

/** Often enough to see that it goes on; a log file is not filled with it. */
const PROGRESS_TERMINAL_MS = 200;
const PROGRESS_FILE_MS = 10_000;

/** Says how far it is, now and then. */
function createProgress(): (done: number, all: number) => void {
  const intervalMs = process.stderr.isTTY ? PROGRESS_TERMINAL_MS : PROGRESS_FILE_MS;
  let saidAtMs = performance.now();
  return (done, all) => {
    if (done === all || performance.now() - saidAtMs < intervalMs) return;
    saidAtMs = performance.now();
    progressLine.say(`${((done / all) * 100).toFixed(0)} %, ${done} of ${all} events`);
  };
}

/** `varve doctor --history`: whether this program can read all that was ever stored. */
export async function runHistory(environment: Environment, json: boolean): Promise<ExitCode> {
  const interrupts = catchInterrupts();
  try {
    const { database } = requireConfig(environment);
    const history = await withPool(database, "history", (pool) =>
      examineHistory(pool, { aggregates, signal: interrupts.signal, onPage: createProgress() }),
    );
    progressLine.clear();
    if (json) writeLine(JSON.stringify({ ok: historyExit(history) === 0, ...history }));
    else writeLine(describeHistory(history).join("\n"));
    return historyExit(history);
  } finally {
    interrupts.release();
  }
}
