/**
 * `bun run check`: formatting, lint with types, types, unused code and migrations, all at once. It
 * prints what the failing ones say, then one line for each. The code is 1 if one failed.
 */
import { runTool, tools } from "./tools.ts";

const root = process.cwd();
const verdicts = await Promise.all(tools(root).map((tool) => runTool(tool, root)));
for (const { name, passed, output } of verdicts) {
  if (!passed) console.log(`── ${name}\n${output.trimEnd()}\n`);
}
for (const { name, passed, durationMs } of verdicts) {
  console.log(`${passed ? "ok    " : "FAILED"} ${name} (${Math.round(durationMs)} ms)`);
}
process.exitCode = verdicts.every(({ passed }) => passed) ? 0 : 1;
