/**
 * Idempotency keys: the same key and the same request give the first answer again.
 *
 * The key is recorded in the statement that appends, so that a command and its key are stored together
 * or not at all, whichever instance, before or after a restart. What is kept is a pointer to the
 * events, from which the answer is made again, and a keyed hash of the request: a bare one would
 * let names and addresses be guessed. A command that changed nothing points behind the version at
 * which it was decided. Rejections are not kept: they are decided again, on what is then.
 */
import type { Keyring } from "#pii/keyring.ts";
import type { IdempotencyClaim } from "#store/append.ts";
import { findIdempotentResult } from "#store/idempotency.ts";
import type { Pool } from "#store/pool.ts";

import type { CommandOutcome, CommandRequest } from "./handle.ts";

type Run = (claim: IdempotencyClaim | undefined) => Promise<CommandOutcome | "replayed">;

/** What the caller asked for, as one text: equal for equal requests. */
const requestText = ({ aggregate, aggregateId, command, body }: CommandRequest) =>
  JSON.stringify([aggregate.type, aggregateId, command, body]);

/** Makes the step in front of the handler. */
export function createIdempotency(pool: Pool, keyring: Keyring) {
  const running = new Set<string>();

  /** The first answer again, or undefined where the key is new. */
  const earlier = async (claim: IdempotencyClaim): Promise<CommandOutcome | undefined> => {
    const result = await findIdempotentResult(pool, claim.principal, claim.key);
    if (result === undefined) return undefined;
    if (result.fingerprint !== claim.fingerprint) return { kind: "idempotency-key-reused" };
    const { version, position, events } = result;
    return { kind: "accepted", version, position, events, replayed: true };
  };

  const once = async (claim: IdempotencyClaim, run: Run): Promise<CommandOutcome> => {
    const first = await earlier(claim);
    if (first !== undefined) return first;
    const outcome = await run(claim);
    if (outcome !== "replayed" && outcome.kind === "accepted") return outcome;
    // Another instance may have been faster with the same key: what stood in the way is its answer.
    const faster = await earlier(claim);
    if (faster !== undefined) return faster;
    return outcome === "replayed" ? { kind: "idempotency-in-progress" } : outcome;
  };

  return async (request: CommandRequest, run: Run): Promise<CommandOutcome> => {
    const { idempotency } = request;
    if (idempotency === undefined) {
      const outcome = await run(undefined);
      return outcome === "replayed" ? { kind: "idempotency-in-progress" } : outcome;
    }
    const { principal } = idempotency;
    const called = JSON.stringify([principal, idempotency.key]);
    if (running.has(called)) return { kind: "idempotency-in-progress" };
    running.add(called);
    try {
      // Callers make keys of what they have at hand, an e-mail address among it.
      const key = await keyring.fingerprint("idempotency-key", idempotency.key);
      const fingerprint = await keyring.fingerprint("idempotency", requestText(request));
      return await once({ principal, key, fingerprint }, run);
    } finally {
      running.delete(called);
    }
  };
}
