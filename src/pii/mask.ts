/**
 * Stands for what is hidden. Always two of them: their number does not tell the length. Not a
 * letter of any script, so that it does not join what is shown.
 */
export const hidden = "••";

/** Graphemes of the end that are shown at most. */
const shownMax = 4;

const graphemes = new Intl.Segmenter("en", { granularity: "grapheme" });
const printableAscii = /^[\x20-\x7e]*$/;

/** One local part, and a domain of at least two labels: `at @ the mill, flat 2` is none. */
const email = /^([^\s@]+)@([\p{L}\p{N}-]+(?:\.[\p{L}\p{N}-]+)+)$/u;

/** What a reader takes for characters (UAX #29). Plain ASCII needs no segmenter. */
const split = (text: string): readonly string[] =>
  printableAscii.test(text)
    ? text.split("")
    : Array.from(graphemes.segment(text), ({ segment }) => segment);

/**
 * A value as somebody may see it who may not read it: dots and its end, at most half and at most
 * four of its graphemes. Of an e-mail the domain stays and, of a local part of two or more
 * graphemes, the first: `a••@example.org`.
 */
export function maskField(value: string): string {
  const [, local, domain] = email.exec(value) ?? [];
  if (local !== undefined && domain !== undefined) {
    const [first = "", ...rest] = split(local);
    return `${rest.length > 0 ? first : ""}${hidden}@${domain}`;
  }
  const parts = split(value);
  const shown = Math.min(shownMax, Math.floor(parts.length / 2));
  return hidden + parts.slice(parts.length - shown).join("");
}
