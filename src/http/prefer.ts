/**
 * One preference, RFC 7240, section 2: a name, perhaps a value, perhaps parameters of its own. A blank
 * can be matched in one place only, or a long header of blanks would never be done with.
 */
const preference = (() => {
  const token = "[!#$%&'*+.^_`|~\\w-]+";
  const value = `(?:[ \\t]*=[ \\t]*(?:(${token})|"((?:[^"\\\\]|\\\\.)*)"))?[ \\t]*`;
  const parameters = `(?:;[ \\t]*(?:${token}${value})?)*`;
  return new RegExp(`[ \\t]*(${token})${value}${parameters}(?:,|$)`, "y");
})();

/**
 * The preferences of the header by name, in lower case; what has no value has "". Of one that is
 * named twice the first counts. What is malformed is passed over up to the next comma.
 */
export function parsePrefer(header: string): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (let at = 0; at < header.length;) {
    preference.lastIndex = at;
    const [, name, plain, quoted] = preference.exec(header) ?? [];
    if (name === undefined) {
      const comma = header.indexOf(",", at);
      at = comma === -1 ? header.length : comma + 1;
      continue;
    }
    at = preference.lastIndex;
    const key = name.toLowerCase();
    if (!found.has(key)) found.set(key, plain ?? quoted?.replaceAll(/\\(.)/g, "$1") ?? "");
  }
  return found;
}

/** For how many seconds the caller would wait; undefined where it does not say. */
export function preferredWait(header: string | undefined): number | undefined {
  const wait = parsePrefer(header ?? "").get("wait");
  return wait !== undefined && /^\d+$/.test(wait) ? Number(wait) : undefined;
}
