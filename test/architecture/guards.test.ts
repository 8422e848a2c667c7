import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

import { afterAll, beforeAll, expect, test } from "bun:test";

import { runTool, tools } from "#test/tools.ts";

/** A small tree without a fault, under the configuration of this one. */
const clean: Readonly<Record<string, string>> = {
  "src/main.ts": `import { z } from "zod";

console.log(z.string().parse("main"));
`,
  "sql/migration/0001_first.sql": "-- One table.\ncreate table varve.one (id bigint not null);\n",
  // Else knip reports what this tree does not use, which is not what is tried here.
  ".knip.jsonc": `{ "entry": ["src/main.ts"], "exclude": ["dependencies", "binaries"] }\n`,
};

const unformatted = "export  const a = 1\n";
const planted: readonly (readonly [tool: string, file: string, text: string, says: string])[] = [
  ["fmt", "src/a.ts", unformatted, "src/a.ts"],
  ["oxlint", "src/a.ts", `export const a = JSON.parse("1") as any;\n`, "no-explicit-any"],
  ["oxlint", "src/a.ts", `Promise.resolve(1);\n`, "no-floating-promises"],
  ["oxlint", "src/a.ts", `export const a: number = JSON.parse("1");\n`, "no-unsafe-assignment"],
  ["oxlint", "src/a.ts", `const a: number[] = [];\nexport const b = a[0]!;\n`, "no-non-null"],
  ["oxlint", "src/a.ts", `const a = 1;\nexport default a;\n`, "no-default-export"],
  ["oxlint", "src/a.ts", `export * from "./main.ts";\n`, "no-barrel-file"],
  ["oxlint", "src/a.ts", `// TODO later\nexport const a = 1;\n`, "no-warning-comments"],
  ["oxlint", "src/a.ts", `// @ts-ignore\nexport const a = 1;\n`, "ban-ts-comment"],
  ["oxlint", "src/a.ts", `export const a = 1;\n${"// a\n".repeat(300)}`, "max-lines"],
  ["oxlint", "src/http/a.ts", `console.log(1);\n`, "no-console"],
  ["oxlint", "src/a.ts", `// oxlint-disable-next-line no-var\nexport const a = 1;\n`, "Unused"],
  ["types", "src/a.ts", `export const a: number = "1";\n`, "TS2322"],
  ["types", "src/a.ts", `const a: number[] = [];\nexport const b: number = a[0];\n`, "TS2322"],
  ["knip", "src/a.ts", `export const a = 1;\n`, "src/a.ts"],
  ["squawk", "sql/migration/0002_a.sql", "alter table one drop column a;\n", "ban-drop-column"],
  ["squawk", "sql/migration/0002_a.sql", "create tabel one;\n", "syntax-error"],
];

let root = "";
let count = 0;

beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), "varve-guards-"));
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

function makeTree(files: Readonly<Record<string, string>>): string {
  const tree = join(root, String((count += 1)));
  mkdirSync(tree);
  for (const name of [
    ".oxlintrc.json",
    ".squawk.toml",
    "bunfig.toml",
    "package.json",
    "tsconfig.json",
  ]) {
    cpSync(name, join(tree, name));
  }
  symlinkSync(join(process.cwd(), "node_modules"), join(tree, "node_modules"));
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(tree, path)), { recursive: true });
    writeFileSync(join(tree, path), text);
  }
  return tree;
}

async function verdict(tree: string, name: string) {
  const tool = tools(tree).find((one) => one.name === name);
  if (tool === undefined) throw new Error(`bun run check has no ${name}`);
  return runTool(tool, tree);
}

for (const name of tools(process.cwd()).map((tool) => tool.name)) {
  test(`${name} passes when the tree has no fault`, async () => {
    const { passed, output } = await verdict(makeTree(clean), name);
    expect({ passed, output: passed ? "" : output }).toEqual({ passed: true, output: "" });
  });

  test(`${name} is tried by a planted fault when it is part of the check`, () => {
    expect(planted.map(([tool]) => tool)).toContain(name);
  });
}

for (const [name, file, text, says] of planted) {
  test(`${name} says ${says} when ${file} has a planted fault`, async () => {
    const { passed, output } = await verdict(makeTree({ ...clean, [file]: text }), name);
    expect({ passed, output }).toEqual({
      passed: false,
      output: expect.stringContaining(says),
    });
  });
}
