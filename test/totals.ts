/** What `bun test` counted. A test to be written counts as skipped. */
export type Totals = { readonly passed: number; readonly failed: number; readonly skipped: number };

const colour = /\u001b\[[0-9;]*m/g;

/**
 * The totals of one `bun test`, read from what it wrote to stderr. The JUnit report would not do: a
 * file that cannot be loaded is missing there. Without a summary that adds up (it crashed), or with
 * a bad exit code and no failure, one failure is counted, so that nothing can go missing in silence.
 */
export function readTotals(stderr: string, exitCode: number | null): Totals {
  const text = stderr.replaceAll(colour, "");
  const ends = [...text.matchAll(/^Ran (\d+) tests? across \d+ files?\./gm)];
  const end = ends.at(-1);
  const summary = text.slice(ends.at(-2)?.index ?? 0, end?.index ?? 0);
  const count = (word: string): number =>
    Number([...summary.matchAll(new RegExp(`^ *(\\d+) ${word}$`, "gm"))].at(-1)?.[1] ?? 0);
  const totals = { passed: count("pass"), failed: count("fail"), skipped: count("skip") };
  const skipped = totals.skipped + count("todo");
  const addsUp = end !== undefined && Number(end[1]) === totals.passed + totals.failed + skipped;
  const silent = !addsUp || (exitCode !== 0 && totals.failed === 0);
  return { passed: totals.passed, failed: totals.failed + (silent ? 1 : 0), skipped };
}

/** The totals of several runs together. */
export const addTotals = (all: readonly Totals[]): Totals => ({
  passed: all.reduce((sum, { passed }) => sum + passed, 0),
  failed: all.reduce((sum, { failed }) => sum + failed, 0),
  skipped: all.reduce((sum, { skipped }) => sum + skipped, 0),
});
