/**
 * The command handler: what happens between a validated body and its events in the log.
 *
 * What it promises: a decision is stored only on the version that it was based on. A lost race is
 * decided again on the new state, a bounded number of times; what stores nothing is answered from the
 * database's state, never from a held one. Personal fields are sealed before the decider sees them; no
 * plain text goes any further than this file. `accepted` means committed and durable.
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
import type { PastEvent } from "#domain/upcast.ts";
import { invariant } from "#kernel/errors.ts";
import { streamName, uuidv7 } from "#kernel/ids.ts";
import { limits } from "#kernel/limits.ts";
import { personalFields } from "#kernel/personal.ts";
import { sealFields } from "#pii/fields.ts";
import type { Keyring } from "#pii/keyring.ts";
import { sealedKeyIds } from "#pii/sealed-key-ids.ts";
import type { Appended, IdempotencyClaim, NewEvent } from "#store/append.ts";
import type { GroupCommit } from "#store/group-commit.ts";
import { recordUnchanged } from "#store/idempotency.ts";
import type { Pool } from "#store/pool.ts";

import { createIdempotency } from "./idempotency.ts";
import type { Loaded } from "./load.ts";
import type { States } from "./states.ts";

/** Events of one command: far above any sane decision, far below a statement's limits. */
const EVENTS_PER_APPEND = 1_000;

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
  readonly states: States;
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
  invariant(decided.length <= EVENTS_PER_APPEND, "a decision has too many events");
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

/** The events as they stand in the log now; they follow each other without a gap. */
const appendedEvents = (
  { aggregate, aggregateId }: CommandRequest,
  events: readonly NewEvent[],
  { version, position, createdAt }: Appended,
): readonly PastEvent[] =>
  events.map(({ id, type, schemaVersion, payload }, index) => ({
    eventId: id,
    aggregateType: aggregate.type,
    aggregateId,
    version: version - events.length + 1 + index,
    position: position + index,
    createdAt,
    type,
    schemaVersion,
    payload,
  }));

/** The events that the command becomes on that state, or the answer where it becomes none. */
async function decide(
  request: CommandRequest,
  { state, version, position }: Loaded,
  keyring: Keyring,
): Promise<readonly NewEvent[] | CommandOutcome> {
  const { aggregate, expectedVersion } = request;
  if (expectedVersion !== undefined && expectedVersion !== version) {
    return { kind: "version-mismatch", version };
  }
  // 3. Seal what is personal.
  const { command, subjectless } = await sealCommand(request, state, keyring);
  // 4. Decide.
  const decision = aggregate.decider.decide(command, state);
  if (!decision.ok) {
    const reason = aggregate.rejections[decision.error.type];
    invariant(reason !== undefined, `rejection ${decision.error.type} is not declared`);
    return { kind: "rejected", rejection: decision.error, reason };
  }
  if (decision.value.length === 0) {
    return { kind: "accepted", version, position, events: [], replayed: false };
  }
  invariant(!subjectless, "personal data of nobody was accepted");
  return newEvents(request, decision.value);
}

type Attempt = CommandOutcome | "replayed" | { readonly kind: "lost"; readonly version: number };

/** Whether an append has compared the version that it was decided on with the database's. */
const isVerified = (outcome: Attempt): outcome is CommandOutcome | "replayed" =>
  outcome === "replayed" || (outcome.kind === "accepted" && outcome.events.length > 0);

/** Makes the handler. */
export function createCommandHandler(dependencies: CommandDependencies): CommandHandler {
  const { pool, groupCommit, keyring, states, onAppended } = dependencies;
  const idempotent = createIdempotency(pool, keyring);

  /** The answer, or the actual version where the race was lost. */
  const attempt = async (
    request: CommandRequest,
    loaded: Loaded,
    claim: IdempotencyClaim | undefined,
  ): Promise<Attempt> => {
    const decided = await decide(request, loaded, keyring);
    if ("kind" in decided) return decided;
    // 5. Append on the version that the decision was based on.
    const outcome = await groupCommit.append({
      aggregateType: request.aggregate.type,
      aggregateId: request.aggregateId,
      expectedVersion: loaded.version,
      events: decided,
      ...(claim === undefined ? {} : { idempotency: claim }),
    });
    if (outcome.outcome === "replayed") return "replayed";
    if (outcome.outcome === "conflict") return { kind: "lost", version: outcome.version };
    const appended = appendedEvents(request, decided, outcome);
    const position = outcome.position + appended.length - 1;
    onAppended(position);
    // 6. Keep the new state for the next command, and a snapshot where it is due.
    await states.advance(request, loaded, appended);
    const events = appended.map(({ eventId, type, version, position: at }) => ({
      id: eventId,
      type,
      version,
      position: at,
    }));
    return { kind: "accepted", version: outcome.version, position, events, replayed: false };
  };

  /** An answer without events is kept for its key as well, unless the key has another by now. */
  const kept = async (
    { aggregate, aggregateId }: CommandRequest,
    outcome: CommandOutcome | "replayed",
    claim: IdempotencyClaim | undefined,
  ): Promise<CommandOutcome | "replayed"> => {
    if (claim === undefined || outcome === "replayed" || outcome.kind !== "accepted")
      return outcome;
    if (outcome.events.length > 0) return outcome;
    const unchanged = { aggregateType: aggregate.type, aggregateId, version: outcome.version };
    return (await recordUnchanged(pool, claim, unchanged)) ? outcome : "replayed";
  };

  const decideAndStore = async (request: CommandRequest, claim: IdempotencyClaim | undefined) => {
    // 1. A state that is held will do where the append verifies it.
    const held = states.held(request);
    if (held !== undefined) {
      const outcome = await attempt(request, held, claim);
      if (isVerified(outcome)) return outcome;
      states.forget(request, held);
    }
    let version = 0;
    for (let attempts = 0; attempts < limits.decideAttempts; attempts += 1) {
      // 2. Load the stream and fold it.
      const outcome = await attempt(request, await states.load(request), claim);
      if (outcome === "replayed" || outcome.kind !== "lost") return kept(request, outcome, claim);
      // 7. Somebody was faster: decide again on what is now.
      ({ version } = outcome);
    }
    return { kind: "version-conflict", version } as const;
  };

  return (request) => idempotent(request, (claim) => decideAndStore(request, claim));
}
