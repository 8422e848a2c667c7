import { z } from "zod";

/** Where a page of a list ended. Opaque to callers. */
export type Cursor = { readonly position: number; readonly key: string };

const cursorSchema = z.tuple([z.int().min(0), z.string().max(1_000)]);

/** The cursor as callers carry it: base64url of JSON. */
export const encodeCursor = ({ position, key }: Cursor): string =>
  new TextEncoder()
    .encode(JSON.stringify([position, key]))
    .toBase64({ alphabet: "base64url", omitPadding: true });

/** The cursor that a caller sent, or undefined where it is none of ours. */
export function decodeCursor(text: string): Cursor | undefined {
  try {
    const bytes = Uint8Array.fromBase64(text, { alphabet: "base64url" });
    const parsed = cursorSchema.safeParse(JSON.parse(new TextDecoder().decode(bytes)));
    return parsed.success ? { position: parsed.data[0], key: parsed.data[1] } : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
