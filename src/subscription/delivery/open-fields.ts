import type { DeclaredPublication } from "#domain/publications.ts";
import { streamName } from "#kernel/ids.ts";
import { openFields } from "#pii/fields.ts";
import { isJsonObject } from "#pii/json.ts";
import type { Keyring } from "#pii/keyring.ts";

import type { PublishedEvent } from "./cloud-event.ts";

/**
 * The events with the fields opened that their publication opens, `{ "erased": true }` where the
 * person was erased, all others sealed as they are; in order, with one look at the key store. Throws
 * as `openFields` does. A key is held for up to `limits.keyCacheMs`: for so long an erasure may not
 * be noticed.
 */
export async function openPublished(
  keyring: Keyring,
  { opened }: Pick<DeclaredPublication, "opened">,
  events: readonly PublishedEvent[],
): Promise<readonly PublishedEvent[]> {
  const documents = events.map(({ payload, aggregateType, aggregateId }) => {
    const stream = streamName(aggregateType, aggregateId);
    const fields = [...opened].map(([field, mark]) => ({ field, mark, stream }));
    return isJsonObject(payload) ? { document: payload, fields } : { document: {}, fields: [] };
  });
  const payloads = await openFields(keyring, documents);
  return events.map((event, index) =>
    isJsonObject(event.payload) ? { ...event, payload: payloads[index] } : event,
  );
}
