/**
 * The command handler: what happens between a validated body and its events in the log.
 *
 * What it promises: a decision is stored only on the version that it was based on. A lost race is
 * decided again on the new state, a bounded number of times. Personal fields are sealed before the
 * decider sees them; no plain text goes any further than this file. `accepted` means committed and
 * durable.
 *
 * What it relies on: deciders that are pure, and the store's compare-and-set of the stream.
 *
 * How it fails: VarveError of the store or of `pii/`; where `retryable`, repeating the command is
 * safe with an idempotency key, an expectation of the version, or a decider that refuses the second
 * one; without any of them the first may have been stored.
 *
 * What it does not do: HTTP, authorisation, validation of bodies.
 */
import type { AnyAggregate, Command, DomainEvent, RejectionKind } from "#domain/decider.ts";
import type { Folded } from "#domain/fold.ts";
import { invariant } from "#kernel/errors.ts";
import { streamName, uuidv7 } from "#kernel/ids.ts";
import { limits } from "#kernel/limits.ts";
import { personalFields } from "#kernel/personal.ts";
import { sealFields } from "#pii/fields.ts";
import type { Keyring } from "#pii/keyring.ts";
import { sealedKeyIds } from "#pii/sealed-key-ids.ts";
import type { IdempotencyClaim, NewEvent } from "#store/append.ts";
import type { GroupCommit } from "#store/group-commit.ts";
import { recordUnchanged } from "#store/idempotency.ts";
import type { Pool } from "#store/pool.ts";

import { createIdempotency } from "./idempotency.ts";
import { loadAggregate } from "./load.ts";

export type CommandRequest = {
  readonly aggregate: AnyAggregate;
  readonly aggregateId: string;
  readonly command: string;
  /** Validated, personal fields in plain text. */
  readonly body: Readonly<Record<string, unknown>>;
  /** Time of acceptance, ISO 8601 UTC with microseconds. */
  readonly at: string;
  /** The version that the caller saw; 0 for "must not exist"; absent for any. */
  readonly expectedVersion?: number;
  /** The caller's own name for this request, among that caller's. */
  readonly idempotency?: { readonly principal: string; readonly key: string };
  /** Who, which request. Stored with every event; never personal data. */
  readonly metadata: Readonly<Record<string, unknown>>;
};

export type AcceptedEvent = {
  readonly id: string;
  readonly type: string;
  readonly version: number;
  readonly position: number;
};

export type CommandOutcome =
  | {
      readonly kind: "accepted";
      readonly version: number;
      /** Of the stream's last event. */
      readonly position: number;
      /** Empty where the command changed nothing. */
      readonly events: readonly AcceptedEvent[];
      /** The first answer to the same idempotency key. */
      readonly replayed: boolean;
    }
  | {
      readonly kind: "rejected";
      readonly rejection: { readonly type: string };
      readonly reason: RejectionKind;
    }
  /** The caller expected another version. */
  | { readonly kind: "version-mismatch"; readonly version: number }
  /** The race was lost as often as the limit allows. */
  | { readonly kind: "version-conflict"; readonly version: number }
  /** The key stands for another request. */
  | { readonly kind: "idempotency-key-reused" }
  /** The same request is being handled at this moment. */
  | { readonly kind: "idempotency-in-progress" };

export type CommandHandler = (request: CommandRequest) => Promise<CommandOutcome>;

export type CommandDependencies = {
  readonly pool: Pool;
  readonly groupCommit: GroupCommit;
  readonly keyring: Keyring;
  /** Called after each append with the last position: the views may go and look. */
  readonly onAppended: (position: number) => void;
};

/** The command with its personal fields sealed for the subject that the body or the state names. */
async function sealCommand(
  request: CommandRequest,
  state: unknown,
  keyring: Keyring,
): Promise<{ command: Command<string, Record<string, unknown>>; subjectless: boolean }> {
  const { aggregate, aggregateId, body } = request;
  const definition = aggregate.commands[request.command];
  invariant(definition !== undefined, "the edge lets no unknown command through");
  const subjectIn = (holder: unknown, field: string): string | undefined => {
    const found: unknown =
      typeof holder === "object" && holder !== null ? Reflect.get(holder, field) : undefined;
    return typeof found === "string" ? found : undefined;
  };
  const sealed = await sealFields({
    keyring,
    body,
    fields: personalFields(definition.body),
    subjectOf: ({ subject }) => subjectIn(body, subject) ?? subjectIn(state, subject),
    stream: streamName(aggregate.type, aggregateId),
  });
  return {
    command: { type: request.command, aggregateId, at: request.at, body: sealed.body },
    subjectless: sealed.subjectless.length > 0,
  };
}

/** The decided events as they go to the store. Their payloads must fit their own schemas. */
function newEvents(request: CommandRequest, decided: readonly DomainEvent[]): readonly NewEvent[] {
  invariant(decided.length <= limits.eventsPerAppend, "a decision has too many events");
  return decided.map((event) => {
    const definition = request.aggregate.events[event.type];
    invariant(definition !== undefined, `event ${event.type} is not declared`);
    invariant(definition.payload.safeParse(event.payload).success, `${event.type} is malformed`);
    return {
      id: uuidv7(),
      type: event.type,
      schemaVersion: definition.version,
      timestamp: request.at,
      payload: event.payload,
      metadata: request.metadata,
      subjectKeys: sealedKeyIds(event.payload),
    };
  });
}

/** The stored events as the answer names them; they follow each other without a gap. */
const acceptedEvents = (
  events: readonly NewEvent[],
  first: { readonly version: number; readonly position: number },
): readonly AcceptedEvent[] =>
  events.map(({ id, type }, index) => ({
    id,
    type,
    version: first.version + index,
    position: first.position + index,
  }));

/** Makes the handler. */
export function createCommandHandler(dependencies: CommandDependencies): CommandHandler {
  const { pool, groupCommit, keyring, onAppended } = dependencies;
  const idempotent = createIdempotency(pool, keyring);

  /** The answer, or the actual version where the race was lost. */
  const attempt = async (
    request: CommandRequest,
    loaded: Folded,
    claim: IdempotencyClaim | undefined,
  ): Promise<CommandOutcome | "replayed" | { readonly kind: "lost"; readonly version: number }> => {
    const { aggregate, aggregateId } = request;
    // 3. Seal what is personal.
    const { command, subjectless } = await sealCommand(request, loaded.state, keyring);
    // 4. Decide.
    const decision = aggregate.decider.decide(command, loaded.state);
    if (!decision.ok) {
      const reason = aggregate.rejections[decision.error.type];
      invariant(reason !== undefined, `rejection ${decision.error.type} is not declared`);
      return { kind: "rejected", rejection: decision.error, reason };
    }
    const { version, position } = loaded;
    if (decision.value.length === 0) {
      const unchanged = { aggregateType: aggregate.type, aggregateId, version };
      if (claim !== undefined && !(await recordUnchanged(pool, claim, unchanged)))
        return "replayed";
      return { kind: "accepted", version, position, events: [], replayed: false };
    }
    invariant(!subjectless, "personal data of nobody was accepted");
    // 5. Append on the version that the decision was based on.
    const events = newEvents(request, decision.value);
    const outcome = await groupCommit.append({
      aggregateType: aggregate.type,
      aggregateId,
      expectedVersion: version,
      events,
      ...(claim === undefined ? {} : { idempotency: claim }),
    });
    if (outcome.outcome === "replayed") return "replayed";
    if (outcome.outcome === "conflict") return { kind: "lost", version: outcome.version };
    const accepted = acceptedEvents(events, { version: version + 1, position: outcome.position });
    const last = outcome.position + events.length - 1;
    onAppended(last);
    return {
      kind: "accepted",
      version: outcome.version,
      position: last,
      events: accepted,
      replayed: false,
    };
  };

  const decideAndStore = async (request: CommandRequest, claim: IdempotencyClaim | undefined) => {
    let version = 0;
    for (let attempts = 0; attempts < limits.decideAttempts; attempts += 1) {
      // 1, 2. Load the stream and fold it.
      const loaded = await loadAggregate(pool, request.aggregate, request.aggregateId);
      const expected = request.expectedVersion;
      if (expected !== undefined && expected !== loaded.version) {
        return { kind: "version-mismatch", version: loaded.version } as const;
      }
      const outcome = await attempt(request, loaded, claim);
      if (outcome === "replayed" || outcome.kind !== "lost") return outcome;
      // 6. Somebody was faster: decide again on what is now.
      ({ version } = outcome);
    }
    return { kind: "version-conflict", version } as const;
  };

  return (request) => idempotent(request, (claim) => decideAndStore(request, claim));
}
