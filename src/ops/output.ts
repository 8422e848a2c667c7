/** A reader that has seen enough, as `varve … | head` has, is not an error. */
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
});

/** Writes a result: one line, or several, to stdout. */
export const writeLine = (text: string): void => void process.stdout.write(`${text}\n`);

/** `1 event`, `2 events`. */
export const plural = (count: number, noun: string): string =>
  `${count} ${noun}${count === 1 ? "" : "s"}`;

const ERASED_LINE = "\r\u001B[K";

/** How far something is, on stderr: one line of a terminal that is written over, or lines of a log. */
export const progressLine = {
  say: (text: string): void =>
    void process.stderr.write(process.stderr.isTTY ? `${ERASED_LINE}${text}` : `${text}\n`),
  /** Leaves a terminal as it was; a result follows. */
  clear: (): void => void (process.stderr.isTTY && process.stderr.write(ERASED_LINE)),
};
