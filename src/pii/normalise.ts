/** Unassigned characters may get another normal form one day; controls are nobody's address. */
const refused = /[\p{Cn}\p{Cc}]/u;

/**
 * What a URL parser would not take for a part of the host: white space, a port, a path, user
 * information, a percent-escape, an address in brackets.
 */
const notInDomain = /[\s/\\?#@:%[\]<>^|]/u;
const dottedNumbers = /^[\d.]+$/;

/** The ASCII form of a domain by IDNA, through the URL parser (WHATWG URL, host parsing). */
function asciiDomain(domain: string): string | undefined {
  if (notInDomain.test(domain)) return undefined;
  const url = `http://${domain}/`;
  const host = URL.canParse(url) ? new URL(url).hostname : "";
  // The parser reads numbers as IPv4 addresses: `1` and `0.0.0.1` would become one.
  return host === "" || dottedNumbers.test(host) ? undefined : host;
}

/**
 * `email.v1`: trimmed, NFKC, lower-case, the domain in ASCII. Undefined for what is not well-formed
 * Unicode, holds unassigned or control characters, or has not the form `local@domain`. Immutable.
 */
export function emailV1(text: string): string | undefined {
  const trimmed = text.trim();
  if (!trimmed.isWellFormed()) return undefined;
  const composed = trimmed.normalize("NFKC");
  if (refused.test(composed)) return undefined;
  const lower = composed.toLowerCase();
  const border = lower.lastIndexOf("@");
  if (border < 1) return undefined;
  const domain = asciiDomain(lower.slice(border + 1));
  return domain === undefined ? undefined : `${lower.slice(0, border)}@${domain}`;
}
