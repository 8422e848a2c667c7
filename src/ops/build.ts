import { parseArgs } from "node:util";

import { aggregates } from "#domain/registry.ts";

import { viewFingerprints } from "./fingerprints.ts";

/**
 * `bun run build [--target bun-linux-arm64] [--outfile path]`: one binary with the runtime, the
 * worker, the SQL text and the command line in it, `dist/varve`.
 *
 * The worker is a second entry point, because the bundler does not follow `new Worker(url)`. Both
 * entry points are laid side by side at the root of the binary's file system, where
 * `new URL("./worker.ts", import.meta.url)` of the bundled supervisor looks: with the folders kept,
 * it would not be found there (`ModuleNotFound`, at the first start of the worker).
 *
 * The fingerprints of views are computed here, where the sources are.
 */
const entryPoints = ["src/main.ts", "src/subscription/worker.ts"];

const { values } = parseArgs({
  options: {
    target: { type: "string" },
    outfile: { type: "string", default: "dist/varve" },
  },
});

const manifest = (await Bun.file("package.json").json()) as { readonly version: string };

const fingerprints = Object.fromEntries(await viewFingerprints(aggregates));

const built = await Bun.build({
  entrypoints: entryPoints,
  naming: { entry: "[name].[ext]" },
  define: {
    VARVE_VERSION: JSON.stringify(manifest.version),
    // Text that holds JSON, so that the binary can tell at build time that it is there.
    VARVE_VIEW_FINGERPRINTS: JSON.stringify(JSON.stringify(fingerprints)),
  },
  compile: {
    outfile: values.outfile,
    ...(values.target === undefined ? {} : { target: values.target as Bun.Build.CompileTarget }),
    // A binary that reads whatever .env and bunfig.toml lie in its working folder is configured by
    // accident.
    autoloadDotenv: false,
    autoloadBunfig: false,
  },
  format: "esm",
  // Measured: from start to serving with a worker 33 ms instead of 79 ms, for 4 MiB of binary.
  bytecode: true,
  // Names stay, since stack traces show them; shortening them gained nothing measurable.
  minify: { whitespace: true, syntax: true, identifiers: false },
  // Inside the binary; the copies that the bundler leaves beside it are removed below.
  sourcemap: "inline",
  throw: false,
});

for (const output of built.outputs) {
  if (output.kind === "sourcemap") await Bun.file(output.path).delete();
}
for (const log of built.logs) console.error(log.message);
if (!built.success) process.exit(1);
console.log(`${values.outfile}: ${Math.round(Bun.file(values.outfile).size / 1024 ** 2)} MiB`);
