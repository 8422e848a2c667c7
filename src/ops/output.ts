/** A reader that has seen enough, as `varve … | head` has, is not an error. */
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
});

/** Writes a result: one line, or several, to stdout. */
export const writeLine = (text: string): void => void process.stdout.write(`${text}\n`);
