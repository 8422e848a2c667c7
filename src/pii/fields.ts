import { invariant, VarveError } from "#kernel/errors.ts";
import type { PersonalMark, Sealed } from "#kernel/personal.ts";

import { randomBytes } from "./aead.ts";
import { deriveDataKey, keyBytes } from "./data-key.ts";
import type { DataKey } from "./data-key.ts";
import { keyIdOf, openMany, sealMany } from "./envelope.ts";
import type { Keyring } from "./keyring.ts";
import { isJsonObject } from "./json.ts";
import type { JsonObject } from "./json.ts";

/** What stands where the personal data of an erased subject stood. */
export type Erased = { readonly erased: true };

export type SealRequest = {
  readonly keyring: Keyring;
  readonly body: JsonObject;
  readonly fields: ReadonlyMap<string, PersonalMark>;
  /** The id of the person whose field it is; undefined where nobody knows it (yet). */
  readonly subjectOf: (mark: PersonalMark) => string | undefined;
  readonly stream: string;
};

export type SealedBody = {
  /** The body with each personal field sealed; all else as it was. */
  readonly body: JsonObject;
  /** The keys of the subjects that were used, each once. */
  readonly keyIds: readonly string[];
  /**
   * Fields without a known subject, sealed under a key that exists nowhere else: they have the
   * right shape to decide on, say about an order that does not exist, and can never be opened. A
   * body with any of them must not become events.
   */
  readonly subjectless: readonly string[];
};

/** The sealed text alone, or beside the properties that rules may see. */
function besideClear(sealed: Sealed, value: unknown, { clear }: PersonalMark): unknown {
  if (clear.length === 0) return sealed;
  invariant(
    isJsonObject(value) && !clear.includes("sealed"),
    "only an object has clear properties",
  );
  const kept = clear.filter((name) => Object.hasOwn(value, name));
  return { sealed, ...Object.fromEntries(kept.map((name) => [name, value[name]])) };
}

const throwawayKey = (): Promise<DataKey> =>
  deriveDataKey(crypto.randomUUID(), randomBytes(keyBytes));

/**
 * Seals the personal fields of a body, each as one value with its clear properties included. A
 * field that is absent stays absent. Throws as `keysForSubjects` does; safe to repeat.
 */
export async function sealFields(request: SealRequest): Promise<SealedBody> {
  const { keyring, body, stream } = request;
  const present = [...request.fields].flatMap(([field, mark]) =>
    body[field] === undefined ? [] : [{ field, mark, subject: request.subjectOf(mark) }],
  );
  if (present.length === 0) return { body, keyIds: [], subjectless: [] };
  const subjects = present.flatMap(({ subject }) => subject ?? []);
  const keys = await keyring.keysForSubjects(subjects);
  const throwaway = subjects.length < present.length ? await throwawayKey() : undefined;
  const items = present.map(({ field, mark, subject }) => {
    const key = subject === undefined ? throwaway : keys.get(subject);
    invariant(key !== undefined, "a keyring must answer for every subject");
    return { key, stream, label: mark.label, tenant: keyring.tenant, value: body[field] };
  });
  const texts = await sealMany(items);
  const sealed = present.map(({ field, mark }, index): [string, unknown] => [
    field,
    besideClear(texts[index] as Sealed, body[field], mark),
  ]);
  const replaced = Object.fromEntries<unknown>(sealed);
  return {
    body: { ...body, ...replaced },
    keyIds: [...new Set([...keys.values()].map(({ keyId }) => keyId))],
    subjectless: present.flatMap(({ field, subject }) => (subject === undefined ? field : [])),
  };
}

/** A personal field of a document, and the stream in which it was sealed. */
export type SealedField = {
  readonly field: string;
  readonly mark: PersonalMark;
  readonly stream: string;
};

export type SealedDocument = {
  readonly document: JsonObject;
  readonly fields: readonly SealedField[];
};

/** The sealed text of a stored field. Throws VarveError "sealed-value-malformed". */
function sealedTextOf(stored: unknown, { label }: PersonalMark): string {
  const text = isJsonObject(stored) ? stored["sealed"] : stored;
  if (typeof text === "string") return text;
  const message = "A personal field holds no sealed value.";
  throw new VarveError("sealed-value-malformed", message, { label });
}

type Found = { readonly at: number; readonly field: string; readonly keyId: string };
type FoundItem = Found & {
  readonly sealed: string;
  readonly stream: string;
  readonly label: string;
};

const foundIn = ({ document, fields }: SealedDocument, at: number): FoundItem[] =>
  fields.flatMap(({ field, mark, stream }) => {
    const stored = document[field];
    if (stored === undefined || stored === null) return [];
    const sealed = sealedTextOf(stored, mark);
    return [{ at, field, keyId: keyIdOf(sealed), sealed, stream, label: mark.label }];
  });

/**
 * The documents with each personal field opened, or `{ erased: true }` where its subject was
 * erased; in order, a page at a time with one look at the key store. A field that is absent or null
 * stays so. Throws the VarveError of a value that does not open, or as `keysById` does.
 */
export async function openFields(
  keyring: Keyring,
  documents: readonly SealedDocument[],
): Promise<JsonObject[]> {
  const found = documents.flatMap(foundIn);
  const keys = await keyring.keysById(found.map(({ keyId }) => keyId));
  const opened = documents.map(({ document }): Record<string, unknown> => ({ ...document }));
  const place = ({ at, field }: Found, value: unknown): void => {
    const document = opened[at];
    if (document !== undefined) document[field] = value;
  };
  const items = found.flatMap((item) => {
    const key = keys.get(item.keyId);
    invariant(key !== undefined, "a keyring must answer for every key id");
    if (key !== "erased") return [{ ...item, key, tenant: keyring.tenant }];
    place(item, { erased: true } satisfies Erased);
    return [];
  });
  const results = await openMany(items);
  for (const [index, item] of items.entries()) {
    const result = results[index];
    invariant(result !== undefined, "opening answers for every item");
    if (!result.ok) throw result.error;
    place(item, result.value);
  }
  return opened;
}
