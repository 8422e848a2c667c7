import { cpSync, existsSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import type { AnyAggregate } from "#domain/decider.ts";
import { copyTree } from "#test/e2e/tree-copy.ts";

/** A change of one file under `src/`: the first text is replaced by the second wherever it stands. */
export type Edit = readonly [path: string, before: string | RegExp, after: string];

export type Fingerprints = ReadonlyMap<string, string>;

const copies: string[] = [];

/** Removes the copies. For `afterAll`. */
export function removeCopies(): void {
  for (const tree of copies.splice(0)) rmSync(tree, { recursive: true });
}

const needed = /^(src|src\/(domain|kernel|ops)|src\/(domain|kernel)\/.*|package\.json)$/;
const fingerprinting = /^src\/ops\/fingerprints(\.ts|$|\/)/;

/** The kernel, the domain with loans beside orders, and what makes fingerprints, in a folder. */
export function copyDomain(): string {
  const tree = copyTree((path) => needed.test(path) || fingerprinting.test(path));
  copies.push(tree);
  symlinkSync(join(process.cwd(), "node_modules"), join(tree, "node_modules"));
  cpSync("test/e2e/fixture/loans", join(tree, "src/domain/loans"), { recursive: true });
  edit(tree, [
    ["domain/registry.ts", "[orders]", "[loans, orders]"],
    ["domain/registry.ts", /^/, `import { loans } from "./loans/loan.ts";\n`],
  ]);
  return tree;
}

/** Edits files of the copy, new ones too. Throws where a text does not stand. */
export function edit(tree: string, edits: readonly Edit[]): void {
  for (const [path, before, after] of edits) {
    const file = join(tree, "src", path);
    const text = existsSync(file) ? readFileSync(file, "utf8") : "";
    const edited = text.replaceAll(
      typeof before === "string" ? before : new RegExp(before, `${before.flags}g`),
      () => after,
    );
    if (edited === text) throw new Error(`${path} has no ${before}`);
    writeFileSync(file, edited);
  }
}

/** The fingerprints of the copy's own views, by its own code. */
export async function fingerprintsOf(tree: string): Promise<Fingerprints> {
  const { aggregates } = (await import(join(tree, "src/domain/registry.ts"))) as {
    aggregates: readonly AnyAggregate[];
  };
  const { viewFingerprints } = (await import(join(tree, "src/ops/fingerprints.ts"))) as {
    viewFingerprints: (of: readonly AnyAggregate[]) => Promise<Fingerprints>;
  };
  return viewFingerprints(aggregates);
}

/** The views that have another fingerprint, or none, in one of the two; sorted. */
export const changedViews = (before: Fingerprints, after: Fingerprints): readonly string[] =>
  [...new Set([...before.keys(), ...after.keys()])]
    .filter((name) => before.get(name) !== after.get(name))
    .toSorted();
