import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

import { invariant } from "#kernel/errors.ts";

import { parseProgram, type Program } from "./program.ts";

/** A value that a module of the domain exports, and what the bundle calls it. */
type Export = { readonly value: object; readonly name: string };

export type Bundle = {
  readonly program: Program;
  /** The exported objects, functions and classes of all modules, in the order of their paths. */
  readonly exports: readonly Export[];
  /** What the bundle calls the list of aggregates. */
  readonly registry: string;
};

/** Where the list of aggregates is made, and the name that it has there. */
const registryPath = fileURLToPath(import.meta.resolve("#domain/registry.ts"));
const registryName = "aggregates";

/** Everything but a path, absolute or relative, and a room of ours, which begins with `#`. */
const packages = /^(?![A-Za-z]:[\\/])[^.#/\\]/;

const packagesOutside: Bun.BunPlugin = {
  name: "packages-outside",
  setup: (build) => {
    build.onResolve({ filter: packages }, ({ path }) => ({ path, external: true }));
  },
};

async function build(entry: string, files: Readonly<Record<string, string>> = {}) {
  const built = await Bun.build({
    entrypoints: [entry],
    files,
    target: "bun",
    format: "esm",
    env: "disable",
    metafile: true,
    plugins: [packagesOutside],
    throw: false,
  });
  const [output] = built.outputs;
  const faults = built.logs.map(({ message }) => message).join("; ");
  invariant(built.success && output !== undefined, `the domain cannot be bundled: ${faults}`);
  const paths = Object.keys(built.metafile?.inputs ?? {}).map((path) => resolve(path));
  return { text: await output.text(), paths };
}

/** A module of code; what else is imported exports no view. */
const codePath = /\.[cm]?[jt]s$/;
/** A name that an export can be asked for by without quotes. */
const plainName = /^[\p{ID_Start}$_][\p{ID_Continue}$]*$/u;

type Named = { readonly path: string; readonly name: string; readonly value: unknown };

/** What the module exports; it is loaded already, since the registry leads to it. */
async function namedIn(path: string): Promise<readonly Named[]> {
  const module = (await import(path)) as Readonly<Record<string, unknown>>;
  return Object.entries(module)
    .filter(([name]) => plainName.test(name))
    .map(([name, value]) => ({ path, name, value }));
}

const isObject = (value: unknown): value is object =>
  (typeof value === "object" && value !== null) || typeof value === "function";

/** The domain as one program, and the names in it of what its modules export. */
export async function bundleDomain(): Promise<Bundle> {
  const { paths } = await build(registryPath);
  const modules = paths.filter((path) => codePath.test(path)).toSorted();
  const named = (await Promise.all(modules.map(namedIn))).flat();
  const entry = join(dirname(registryPath), "fingerprints-entry.ts");
  const lines = named.map(
    ({ path, name }, index) => `export { ${name} as e${index} } from ${JSON.stringify(path)};`,
  );
  const { text } = await build(entry, { [entry]: lines.join("\n") });
  const program = parseProgram(text);
  const inside = (index: number): string => program.exported.get(`e${index}`) ?? "";
  return {
    program,
    exports: named.flatMap(({ value }, index) =>
      isObject(value) ? [{ value, name: inside(index) }] : [],
    ),
    registry: inside(
      named.findIndex(({ path, name }) => path === registryPath && name === registryName),
    ),
  };
}
