import { progress as progressBar } from "@clack/prompts";

/** Shows how far the sending is. `advance` takes the number of commands answered so far. */
export type Progress = {
  readonly note: (line: string) => void;
  readonly begin: (total: number) => void;
  readonly advance: (answered: number) => void;
  readonly end: (message: string) => void;
};

/** Lines of a log stay readable at this distance; a bar repaints itself more often. */
const lineEveryMs = 2_000;

const output = process.stderr;
const cancelMessage = "Stopping: only commands on their way are still awaited";

const print = (line: string): void => {
  output.write(`${line}\n`);
};
const nothing = (): void => undefined;
const count = (value: number): string => value.toLocaleString("en-GB");

/** Shows nothing, a bar, or a line every two seconds; all on stderr, apart from the results. */
export function openProgress(kind: "none" | "bar" | "lines"): Progress {
  if (kind === "none") return { note: nothing, begin: nothing, advance: nothing, end: nothing };
  return kind === "bar" ? bar() : lines();
}

function lines(): Progress {
  let [total, shownAt] = [0, 0];
  return {
    note: print,
    begin: (expected) => {
      [total, shownAt] = [expected, performance.now()];
    },
    advance: (answered) => {
      if (performance.now() - shownAt < lineEveryMs) return;
      shownAt = performance.now();
      print(`${count(answered)} of ${count(total)} commands answered`);
    },
    end: print,
  };
}

function bar(): Progress {
  let painted = progressBar({ output });
  let [total, shown] = [0, 0];
  return {
    note: print,
    begin: (expected) => {
      [total, shown] = [expected, 0];
      painted = progressBar({ max: expected, output, style: "block", cancelMessage });
      painted.start(`0 of ${count(total)} commands answered`);
      giveBackKeyboard();
    },
    advance: (answered) => {
      painted.advance(answered - shown, `${count(answered)} of ${count(total)} commands answered`);
      shown = answered;
    },
    end: (message) => painted.stop(message),
  };
}

/**
 * The bar reads keys in raw mode and would turn Ctrl-C into exit code 0 on the spot. With the
 * keyboard given back, Ctrl-C is SIGINT again and the demo can say what was done.
 */
function giveBackKeyboard(): void {
  if (process.stdin.isTTY) process.stdin.setRawMode(false);
  process.stdin.pause();
}
