import type { z } from "zod";

import type { SealedFields } from "#kernel/personal.ts";
import type { Result } from "#kernel/result.ts";

/**
 * What an aggregate is, in the vocabulary of the decider pattern (Chassaing): a state, a decision
 * and an evolution. All three are pure, synchronous and total. Time, ids and looked-up facts enter
 * with the command; personal data enters sealed.
 */
export type Decider<State, Command, Event, Rejection> = {
  readonly initialState: State;
  readonly decide: (command: Command, state: State) => Result<readonly Event[], Rejection>;
  readonly evolve: (state: State, event: Event) => State;
};

/** A command as `decide` sees it. `at` is the time of acceptance, ISO 8601 UTC with microseconds. */
export type Command<Type extends string, Body> = {
  readonly type: Type;
  readonly aggregateId: string;
  readonly at: string;
  readonly body: SealedFields<Body>;
};

/** A fact that happened. The stored event adds its place in the stream and in the log. */
export type DomainEvent<Type extends string = string, Payload = unknown> = {
  readonly type: Type;
  readonly payload: Payload;
};

/** An event as it stands in the log. `createdAt` is the database's clock, ISO 8601 UTC. */
export type RecordedEvent<Event extends DomainEvent = DomainEvent> = Event & {
  readonly eventId: string;
  readonly aggregateType: string;
  readonly aggregateId: string;
  readonly version: number;
  readonly position: number;
  readonly createdAt: string;
};

/** One fault in a body: a JSON pointer (RFC 6901) and a sentence without the value. */
export type Fault = { readonly pointer: string; readonly message: string };

export type CommandDefinition = {
  readonly body: z.ZodObject;
  /** Larger than the default limit only where a real command needs it. */
  readonly bodyBytesMax?: number;
  /** Faults that depend on the time of acceptance, such as a date in the future. */
  readonly check?: (body: never, at: string) => readonly Fault[];
};

export type EventDefinition = { readonly version: number; readonly payload: z.ZodType };

/** Whether the business says "there is none" or "not in this state"; the edge knows the status. */
export type RejectionKind = "not-found" | "conflict";

/** How a list of a view is filtered: a query parameter, compared with a field of the document. */
export type Filter = { readonly field: string; readonly compare: "eq" | "gte" | "lte" };

export type ViewList = {
  /** `newest`: latest first document first. `key`: ascending by document key. */
  readonly order: "newest" | "key";
  readonly filters: Readonly<Record<string, { readonly schema: z.ZodType } & Filter>>;
  readonly limitDefault: number;
  readonly limitMax: number;
};

/** A personal field of a document: its marked schema, and the stream whose bytes it carries. */
export type SealedDocumentField = {
  readonly schema: z.ZodType;
  readonly stream: { readonly aggregateType: string; readonly idField: string };
};

/**
 * A read model: documents by key, each a pure fold of the events that name the key. The runtime
 * folds a whole page of events in memory and writes each touched document once.
 */
export type View<Document = unknown, Event extends DomainEvent = DomainEvent> = {
  readonly name: string;
  /** Raised when the meaning of the documents changes; documents of versions are never mixed. */
  readonly version: number;
  /** The event types it wants; others never reach it. */
  readonly events: readonly Event["type"][];
  /** The document that the event changes, or null for none. */
  readonly key: (event: RecordedEvent<Event>) => string | null;
  /** The document after the event; null removes it. */
  readonly project: (document: Document | null, event: RecordedEvent<Event>) => Document | null;
  readonly personal?: Readonly<Record<string, SealedDocumentField>>;
  readonly byKey: boolean;
  readonly list?: ViewList;
};

/** Everything that the runtime needs to know of an aggregate; one is listed in `registry.ts`. */
export type Aggregate<
  State,
  AnyCommand,
  Event extends DomainEvent,
  Rejection extends { readonly type: string },
> = {
  /** The segment of its routes, plural: `orders`. */
  readonly name: string;
  /** The aggregate type in the log: `Order`. Never changed once events exist. */
  readonly type: string;
  readonly decider: Decider<State, AnyCommand, Event, Rejection>;
  readonly commands: Readonly<Record<string, CommandDefinition>>;
  readonly events: { readonly [Type in Event["type"]]: EventDefinition };
  readonly rejections: { readonly [Type in Rejection["type"]]: RejectionKind };
  readonly views: readonly View[];
};

/** An aggregate with its own types forgotten, as the runtime handles all of them alike. */
export type AnyAggregate = Aggregate<
  unknown,
  Command<string, Record<string, unknown>>,
  DomainEvent,
  { readonly type: string }
>;

/** Checks the declaration against its own types, then forgets them. */
export function defineAggregate<
  State,
  AnyCommand,
  Event extends DomainEvent,
  Rejection extends { readonly type: string },
>(aggregate: Aggregate<State, AnyCommand, Event, Rejection>): AnyAggregate {
  return aggregate as unknown as AnyAggregate;
}

/** Checks a view against its own document and event types, then forgets them. */
export function defineView<Document, Event extends DomainEvent>(view: View<Document, Event>): View {
  return view as unknown as View;
}
