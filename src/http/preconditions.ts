import { accept, refuse, type Result } from "#kernel/result.ts";

import type { EdgeContext } from "./edge.ts";
import { problem } from "./problem.ts";

/** The tag of a version. Strong: a version is one content. */
export const entityTag = (version: number): string => `"${version}"`;

type EntityTag = { readonly weak: boolean; readonly version: string };

const tagForm = /[ \t]*(W\/)?"([\x21\x23-\x7e\x80-\xff]*)"[ \t]*(?:,|$)/y;

/** The tags of a precondition, "*", or undefined where it is neither. RFC 9110, section 13.1. */
function parseTags(header: string): readonly EntityTag[] | "*" | undefined {
  if (header.trim() === "*") return "*";
  const tags: EntityTag[] = [];
  tagForm.lastIndex = 0;
  while (tagForm.lastIndex < header.length) {
    const [, weak, version = ""] = tagForm.exec(header) ?? [undefined, undefined, undefined];
    if (tagForm.lastIndex === 0) return undefined;
    tags.push({ weak: weak !== undefined, version });
  }
  return tags.length > 0 ? tags : undefined;
}

/** Whether a reader has the version: weak comparison, and a malformed header asks nothing. */
export function alreadyHas(header: string | undefined, version: number): boolean {
  const tags = header === undefined ? undefined : parseTags(header);
  if (tags === undefined) return false;
  return tags === "*" || tags.some((tag) => tag.version === String(version));
}

type Expectation = { readonly expectedVersion?: number };

const versionForm = /^(?:0|[1-9]\d{0,14})$/;

function expectationOf(
  ifMatch: string | undefined,
  ifNoneMatch: string | undefined,
): Result<Expectation | "never", string> {
  if (ifMatch !== undefined && ifNoneMatch !== undefined) {
    return refuse("If-Match and If-None-Match contradict each other.");
  }
  if (ifNoneMatch !== undefined) {
    if (parseTags(ifNoneMatch) === "*") return accept({ expectedVersion: 0 });
    return refuse("If-None-Match of a command is * and nothing else.");
  }
  if (ifMatch === undefined) return accept({});
  const tags = parseTags(ifMatch);
  if (tags === undefined || tags === "*") {
    return refuse('If-Match of a command is the version that was read: "<version>".');
  }
  // Comparison is strong here: a weak tag, and one that is none of ours, match no version.
  const strong = tags.filter(({ weak, version }) => !weak && versionForm.test(version));
  const versions = new Set(strong.map(({ version }) => Number(version)));
  const [expectedVersion] = versions;
  if (expectedVersion === undefined) return accept("never");
  if (versions.size > 1) return refuse("If-Match of a command names one version.");
  return accept({ expectedVersion });
}

/** What the caller expects of the stream, or the refusal of headers that cannot be met. */
export function expectation(context: EdgeContext): Expectation | Response {
  const asked = expectationOf(context.req.header("If-Match"), context.req.header("If-None-Match"));
  if (!asked.ok) return problem(context, "invalid-precondition", { detail: asked.error });
  return asked.value === "never" ? problem(context, "version-mismatch") : asked.value;
}
