import { KEY_BYTES_MAX } from "#store/documents.ts";

/** Where a page of a view's list ended. Opaque to callers. */
export type Cursor = { readonly position: number; readonly key: string };

/** The cursor as callers carry it: base64url of JSON. */
export const encodeCursor = ({ position, key }: Cursor): string =>
  new TextEncoder()
    .encode(JSON.stringify([position, key]))
    .toBase64({ alphabet: "base64url", omitPadding: true });

/** The cursor that a caller sent, or undefined where it is none of ours. */
export function decodeCursor(text: string): Cursor | undefined {
  try {
    const bytes = Uint8Array.fromBase64(text, { alphabet: "base64url" });
    const parsed: unknown = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
    if (!Array.isArray(parsed)) return undefined;
    const [position, key] = parsed as readonly unknown[];
    if (typeof position !== "number" || typeof key !== "string") return undefined;
    const isPosition = Number.isSafeInteger(position) && position >= 0;
    // The cursor comes back from outside; no document has a longer key.
    const isKey = key.length <= KEY_BYTES_MAX && key.isWellFormed() && !key.includes("\0");
    return isPosition && isKey ? { position, key } : undefined;
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof TypeError) return undefined;
    throw error;
  }
}
