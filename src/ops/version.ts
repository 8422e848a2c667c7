/** Set by `build.ts`, so that a binary knows what it was built from. */
declare const VARVE_VERSION: string | undefined;

/** The package's version in a binary, `source` when run from source. */
export const version: string = typeof VARVE_VERSION === "string" ? VARVE_VERSION : "source";
