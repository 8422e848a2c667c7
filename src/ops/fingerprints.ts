/**
 * Fingerprints of views: by them a start notices that a view was changed and its version was not.
 *
 * What it is: 64 hex digits for the definition of each view, the SHA-256 of a canonical text of its
 * code. The domain is bundled into one program, which is parsed; the text holds the declaration of
 * the view and whatever of `domain/` and `kernel/` that reaches, and of the events that it wants
 * their versions and the code of their upcasters.
 *
 * What it promises: another fingerprint for every change of code that could change documents; the
 * same one whatever becomes of comments, layout, types, local names, the order and places of
 * declarations, of code that the view does not reach, and of the settings by which it is run. It does not depend on the folder, the
 * platform, or whether the program runs from source or as a binary, which carries what `build.ts`
 * computed. Nothing is written.
 *
 * What it relies on: code at the top level changes only what it names. A value that is changed
 * through another name, or by a function to which it is passed, while constants are made, is not
 * noticed; the domain is pure and has no use for that. Packages are taken by their names: another
 * release of zod is not noticed. A statement that only does something belongs to every view, as
 * nobody knows what it is for.
 *
 * How it fails: a Defect, for an aggregate that the registry does not list and for sources that
 * cannot be bundled. A view that no module exports by itself gets the code of its whole aggregate.
 *
 * What it does not do: it does not know whether a change matters. A filter's message or a limit of
 * the list is part of the declaration. Another release of Bun could print the same code otherwise: a
 * test with a known answer tells.
 */
import type { AnyAggregate } from "#domain/decider.ts";
import { invariant } from "#kernel/errors.ts";

/** Set by `build.ts`, since a binary has no sources: the fingerprints as JSON, by their names. */
declare const VARVE_VIEW_FINGERPRINTS: string | undefined;

async function sha256(text: string): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return new Uint8Array(digest).toHex();
}

async function fromSource(
  aggregates: readonly AnyAggregate[],
): Promise<ReadonlyMap<string, string>> {
  const { viewDefinitions } = await import("./fingerprints/from-source.ts");
  const definitions = [...(await viewDefinitions(aggregates))];
  return new Map(
    await Promise.all(definitions.map(async ([name, text]) => [name, await sha256(text)] as const)),
  );
}

/**
 * The fingerprint of every view of the aggregates by `name@version`, 64 hex digits. Plain text all
 * through, so that it can be sent to a worker. The aggregates must be the registry's.
 */
export async function viewFingerprints(
  aggregates: readonly AnyAggregate[],
): Promise<ReadonlyMap<string, string>> {
  // As two branches, so that a binary leaves the second one out with all that it loads.
  if (typeof VARVE_VIEW_FINGERPRINTS === "string") {
    const built = JSON.parse(VARVE_VIEW_FINGERPRINTS) as Readonly<Record<string, string>>;
    const fingerprints = new Map(Object.entries(built));
    for (const { name, version } of aggregates.flatMap(({ views }) => views)) {
      const known = fingerprints.has(`${name}@${version}`);
      invariant(known, `the build has no fingerprint of the view ${name}@${version}`);
    }
    return fingerprints;
  } else return fromSource(aggregates);
}
