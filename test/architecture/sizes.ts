import { lineAt, lineCount, walk } from "./source.ts";
import type { Source, Violation } from "./source.ts";

const fileLinesMax = 300;
const functionLinesMax = 70;
const kernelLinesMax = 300;

const kernelFiles = ["clock", "errors", "ids", "limits", "log", "personal", "result"].map(
  (name) => `src/kernel/${name}.ts`,
);

/** A file that grows past this has two subjects. */
export const checkFileSizes = (sources: readonly Source[]): readonly Violation[] =>
  sources
    .filter(({ text }) => lineCount(text) > fileLinesMax)
    .map(({ path, text }) => {
      const message = `${lineCount(text)} lines, at most ${fileLinesMax}`;
      return { path, line: fileLinesMax + 1, message };
    });

const functions = new Set(["FunctionDeclaration", "FunctionExpression", "ArrowFunctionExpression"]);

/** A function that grows past this cannot be read at once. */
export function checkFunctionSizes(sources: readonly Source[]): readonly Violation[] {
  const found: Violation[] = [];
  for (const source of sources) {
    walk(source, (node) => {
      if (!functions.has(node.type)) return;
      const lines = lineCount(source.text.slice(node.start, node.end));
      if (lines <= functionLinesMax) return;
      const message = `a function of ${lines} lines, at most ${functionLinesMax}`;
      found.push({ path: source.path, line: lineAt(source.text, node.start), message });
    });
  }
  return found;
}

/** The kernel is what everybody has to know, so that it stays this short list. */
export function checkKernel(sources: readonly Source[]): readonly Violation[] {
  const kernel = sources.filter(({ path }) => path.startsWith("src/kernel/"));
  const lines = kernel.reduce((sum, { text }) => sum + lineCount(text), 0);
  const found = kernel
    .filter(({ path }) => !kernelFiles.includes(path))
    .map(({ path }) => ({ path, line: 1, message: "is not in the kernel's list of files" }));
  if (lines <= kernelLinesMax) return found;
  const message = `${lines} lines in all, at most ${kernelLinesMax}`;
  return [...found, { path: "src/kernel", line: 1, message }];
}
