import { spawnSync } from "node:child_process";
import { chmodSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterAll, beforeAll, expect, test } from "bun:test";

import {
  copyDomain,
  edit,
  type Fingerprints,
  fingerprintsOf,
  removeCopies,
} from "#test/support/domain-copy.ts";

let tree = "";
let folder = "";
let expected: Readonly<Record<string, string>>;

const asRecord = (fingerprints: Fingerprints) => Object.fromEntries(fingerprints);

beforeAll(async () => {
  tree = copyDomain();
  folder = mkdtempSync(join(tmpdir(), "varve-places-"));
  chmodSync(folder, 0o755);
  expected = asRecord(await fingerprintsOf(tree));
});
afterAll(() => {
  removeCopies();
  rmSync(folder, { recursive: true });
});

const filesIn = (root: string): ReadonlySet<string> =>
  new Set(readdirSync(root, { recursive: true, encoding: "utf8" }));

/** A program that writes the fingerprints of the tree to stdout. */
const program = (root: string): string => `
  import { aggregates } from ${JSON.stringify(join(root, "src/domain/registry.ts"))};
  import { viewFingerprints } from ${JSON.stringify(join(root, "src/ops/fingerprints.ts"))};
  console.log(JSON.stringify(Object.fromEntries(await viewFingerprints(aggregates))));
`;

/** What bun says with these arguments, in an empty environment and as nobody where root may say so. */
function told(args: readonly string[], cwd: string): unknown {
  const account = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {};
  const { stdout, stderr } = spawnSync(process.execPath, args, { cwd, env: {}, ...account });
  return stdout.length > 0 ? JSON.parse(stdout.toString()) : stderr.toString();
}

test("fingerprints stay when another account runs a tree that it may only read", () => {
  chmodSync(join(tree, "src/domain"), 0o555);
  const entries = filesIn(tree);
  expect(told(["-e", program(tree)], "/")).toEqual(expected);
  expect(filesIn(tree)).toEqual(entries);
  chmodSync(join(tree, "src/domain"), 0o755);
});

test("fingerprints stay when the tree is reached by a link", () => {
  const link = join(folder, "link");
  symlinkSync(tree, link);
  expect(told(["-e", program(link)], link)).toEqual(expected);
});

test("fingerprints are what the build says when there are no sources and no packages", async () => {
  const entry = join(tree, "src/show.ts");
  const built = await Bun.build({
    entrypoints: [entry],
    files: { [entry]: program(tree) },
    target: "bun",
    minify: { syntax: true },
    define: { VARVE_VIEW_FINGERPRINTS: JSON.stringify(JSON.stringify(expected)) },
  });
  const text = await built.outputs[0]?.text();
  writeFileSync(join(folder, "show.js"), text ?? "");
  expect(told([join(folder, "show.js")], folder)).toEqual(expected);
  // Neither the parser nor what drives it.
  expect(["ecmaVersion", "fingerprints-entry"].filter((each) => text?.includes(each))).toEqual([]);
});

test("fingerprints are refused when the build has none of a view", async () => {
  const entry = join(tree, "src/show.ts");
  const built = await Bun.build({
    entrypoints: [entry],
    files: { [entry]: program(tree) },
    target: "bun",
    define: { VARVE_VIEW_FINGERPRINTS: JSON.stringify(`{"orders@1":"00"}`) },
  });
  writeFileSync(join(folder, "stale.js"), (await built.outputs[0]?.text()) ?? "");
  expect(told([join(folder, "stale.js")], folder)).toMatch(
    /the build has no fingerprint of the view loans@2/,
  );
});

const notes = `
import { z } from "zod";
import { defineAggregate, defineEvent, defineView } from "#domain/decider.ts";

const mark = Object.freeze({ open: 1, done: 2n });
const pattern = /^\\d{4}-(?<month>\\d\\d)$/u;
class Count { #n = 0; static from = (n) => new Count().plus(n); plus(n) { this.#n += n; return this; } }

export const events = {
  NoteTaken: defineEvent({
    version: 2,
    payload: z.strictObject({ text: z.string() }),
    upcasters: { 1: ({ line, ...rest }: any) => ({ ...rest, text: \`\${line}\\n\` }) },
  }),
};

function project(document, { payload: { text = "" }, version: last }) {
  const found = document ?? { lines: [], kind: "none" };
  outer: for (const [index, line] of text.split("\\n").entries()) {
    if (!line?.trim()) continue outer;
    found.lines[index] = pattern.test(line) ? mark.open : -(line.length ** 2);
  }
  switch (found.kind) {
    case "none": { const kind = last > 1 ? "many" : "one"; return { ...found, kind }; }
    default: try { return JSON.parse(text); } catch { return Count.from(1e3) && null; }
  }
}

export const notesView = defineView<any, any>({
  name: "notes", version: 1, events: ["NoteTaken"], key: (e) => e.aggregateId, project,
  byKey: true,
  list: { order: "key", filters: { kind: { schema: z.string(), field: "kind", compare: "eq" } },
    limitDefault: 5, limitMax: 10 },
});

export const notes = defineAggregate<any, any, any, any>({
  name: "notes", type: "Note", decider: { initialState: {}, decide: () => ({ ok: true, value: [] }),
  evolve: (state) => state }, commands: {}, events, rejections: {}, views: [notesView],
});
`;

test("fingerprint of a known view is the known one when Bun and the parser are today's", async () => {
  const copy = copyDomain();
  edit(copy, [
    ["domain/notes.ts", /^/, notes],
    [
      "domain/registry.ts",
      /^[^]*$/,
      `import { notes } from "./notes.ts";\nexport const aggregates = [notes];\n`,
    ],
  ]);
  // Another one here means that every view of every service looks changed at its next start.
  expect(asRecord(await fingerprintsOf(copy))).toEqual({
    "notes@1": "152b0a2b10b50de0c7c6729f26faca855bbd2b664efc92d6c83c9ebfae689c29",
  });
});
