import { aggregates } from "#domain/registry.ts";
import { requireConfig, type Environment } from "#ops/config.ts";
import { withPool } from "#ops/database.ts";
import type { ExitCode } from "#ops/exit.ts";
import { catchInterrupts } from "#ops/interrupts.ts";
import { writeLine } from "#ops/output.ts";

import { examineHistory } from "./history.ts";
import { describeHistory, historyExit } from "./history-report.ts";

/** Often enough to see that it goes on; a log file is not filled with it. */
const PROGRESS_TERMINAL_MS = 200;
const PROGRESS_FILE_MS = 10_000;

/** Says on stderr how far it is: over and over in one line of a terminal, now and then in a file. */
function createProgress(): (done: number, all: number) => void {
  const { isTTY } = process.stderr;
  const intervalMs = isTTY ? PROGRESS_TERMINAL_MS : PROGRESS_FILE_MS;
  let saidAtMs = performance.now();
  return (done, all) => {
    if (isTTY && done === all) process.stderr.write("\r\u001B[K");
    if (done === all || performance.now() - saidAtMs < intervalMs) return;
    saidAtMs = performance.now();
    const text = `${((done / all) * 100).toFixed(0)} %, ${done} of ${all} events`;
    process.stderr.write(isTTY ? `\r\u001B[K${text}` : `${text}\n`);
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
    if (json) writeLine(JSON.stringify({ ok: historyExit(history) === 0, ...history }));
    else writeLine(describeHistory(history).join("\n"));
    return historyExit(history);
  } finally {
    interrupts.release();
  }
}
