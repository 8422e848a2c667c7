import type { z } from "zod";

import type { SealedFields } from "#kernel/personal.ts";
import type { Result } from "#kernel/result.ts";

import { assertPublications } from "./publications.ts";
import type { Reactor, SubscriptionSettings } from "./subscription.ts";
import { assertUpcasters } from "./upcast.ts";

// The vocabulary in which a business is declared to the runtime.
//
// What it is: the types of a decider (Chassaing: a state, a decision, an evolution), of a view, and
// of the aggregate that names both; and the functions that check a declaration and then forget its
// types, so that the runtime handles every aggregate alike.
//
// What it promises: the schemas are the only place where a body or a payload is described. The
// types of commands and events follow from them (`CommandsOf`, `EventsOf`), and a command, an event
// or a rejection that the declaration leaves out does not compile.
//
// What it relies on: `decide`, `evolve`, `key` and `project` are pure, synchronous and total. Time,
// ids and looked-up facts enter with the command; personal data enters sealed.
//
// How it fails: a rejection is a value. Anything thrown out of a declaration is a defect.
//
// What it does not do: it reads no clock, makes no id, opens no sealed value and knows neither HTTP
// nor the database.

/** A state, a decision and an evolution, each pure, synchronous and total. */
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

/** The payload of one version from that of the version before it: pure, total, no clock. */
type Upcaster = (payload: never) => unknown;

export type EventDefinition = {
  /** Raised with every change of the payload: 1, 2, 3 … */
  readonly version: number;
  /** Today's. Earlier ones live on in the upcasters' types and in the golden files. */
  readonly payload: z.ZodType;
  /** By the version that they come from: one for each before today's. */
  readonly upcasters?: Readonly<Record<number, Upcaster>>;
};

/** The versions before, counted by the length of a tuple. */
type Earlier<
  Version extends number,
  Count extends readonly unknown[] = [unknown],
> = Count["length"] extends Version
  ? never
  : Count["length"] | Earlier<Version, [...Count, unknown]>;

type After<Version, Count extends readonly unknown[] = [unknown]> = Count["length"] extends Version
  ? [...Count, unknown]["length"]
  : After<Version, [...Count, unknown]>;

type TakenBy<Step> = Step extends (payload: infer Past) => unknown ? Past : never;

/** What the steps must be: one for each earlier version, each giving what the next one takes. */
type Chain<Steps, Version extends number, Payload> = {
  readonly [From in Earlier<Version>]: (
    payload: never,
  ) => After<From> extends Version ? Payload : TakenBy<Steps[After<From> & keyof Steps]>;
} & { readonly [From in Exclude<keyof Steps, Earlier<Version>>]: never };

/** The union of commands that a record of definitions stands for, bodies sealed. */
export type CommandsOf<Definitions extends Readonly<Record<string, CommandDefinition>>> = {
  [Type in keyof Definitions & string]: Command<Type, z.output<Definitions[Type]["body"]>>;
}[keyof Definitions & string];

/** The union of events that a record of definitions stands for. */
export type EventsOf<Definitions extends Readonly<Record<string, EventDefinition>>> = {
  [Type in keyof Definitions & string]: DomainEvent<Type, z.output<Definitions[Type]["payload"]>>;
}[keyof Definitions & string];

/** Whether the business says "there is none" or "not in this state"; the edge knows the status. */
export type RejectionKind = "not-found" | "conflict";

/** The fields of a document; any name once the document's type is forgotten. */
export type FieldOf<Document> = unknown extends Document ? string : keyof Document & string;

/** How a list of a view is filtered: a query parameter, compared with a field of the document. */
export type Filter<Field extends string = string> = {
  readonly field: Field;
  readonly compare: "eq" | "gte" | "lte";
};

export type ViewList<Field extends string = string> = {
  /** `newest`: latest first document first. `key`: ascending by document key. */
  readonly order: "newest" | "key";
  readonly filters: Readonly<Record<string, { readonly schema: z.ZodType } & Filter<Field>>>;
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
  /** The document that the event changes, or null for none. At most 1,000 bytes of UTF-8 without
   * NUL, else the event is put aside. */
  readonly key: (event: RecordedEvent<Event>) => string | null;
  /** The document after the event; null removes it. The next event meets what JSON leaves of it. */
  readonly project: (document: Document | null, event: RecordedEvent<Event>) => Document | null;
  readonly personal?: { readonly [Field in FieldOf<Document>]?: SealedDocumentField };
  readonly byKey: boolean;
  readonly list?: ViewList<FieldOf<Document>>;
  readonly settings?: SubscriptionSettings;
};

/** The fields of the payloads of a union of events. */
type PayloadField<Event> =
  Event extends DomainEvent<string, infer Payload> ? FieldOf<Payload> : never;

/** Events that leave for another system, where one is configured under the name. */
export type Publication<Event extends DomainEvent = DomainEvent> = {
  /** That of the subscription and of the target: lower case, digits and hyphens. */
  readonly name: string;
  /** The event types that leave; others never do. */
  readonly events: readonly Event["type"][];
  /** Personal fields of payloads that the target receives opened; all others stay sealed. */
  readonly opens?: readonly PayloadField<Event>[];
  readonly settings?: SubscriptionSettings;
};

/**
 * How a folded state is kept, so that a long stream need not be folded from its start. The state
 * must be what JSON can hold; sealed values stay sealed in it.
 */
export type SnapshotDefinition<State> = {
  /** Raised when the meaning of the state changes; states of other versions are never read. */
  readonly version: number;
  /** What a stored state must fit to be believed; one that does not is made again. */
  readonly state: z.ZodType<State>;
};

/** Everything that the runtime needs to know of an aggregate; one is listed in `registry.ts`. */
export type Aggregate<
  State,
  AnyCommand extends { readonly type: string },
  Event extends DomainEvent,
  Rejection extends { readonly type: string },
> = {
  /** The segment of its routes, plural: `orders`. */
  readonly name: string;
  /** The aggregate type in the log: `Order`. Never changed once events exist. */
  readonly type: string;
  readonly decider: Decider<State, AnyCommand, Event, Rejection>;
  readonly commands: { readonly [Type in AnyCommand["type"]]: CommandDefinition };
  readonly events: { readonly [Type in Event["type"]]: EventDefinition };
  readonly rejections: { readonly [Type in Rejection["type"]]: RejectionKind };
  readonly views: readonly View[];
  readonly reactors?: readonly Reactor[];
  readonly publications?: readonly Publication[];
  /** Absent: every load folds the whole stream. */
  readonly snapshot?: SnapshotDefinition<State>;
};

/** An aggregate with its own types forgotten, as the runtime handles all of them alike. */
export type AnyAggregate = Aggregate<
  unknown,
  Command<string, Record<string, unknown>>,
  DomainEvent,
  { readonly type: string }
>;

/**
 * A command's definition that keeps the type of its schema, for `CommandsOf`. `check` sees the
 * validated plain text, before sealing.
 */
export function defineCommand<Body extends z.ZodObject>(
  definition: Omit<CommandDefinition, "body" | "check"> & {
    readonly body: Body;
    readonly check?: (body: z.output<Body>, at: string) => readonly Fault[];
  },
): Omit<CommandDefinition, "body"> & { readonly body: Body } {
  return definition;
}

/**
 * The definition of an event that has changed. A step that is missing, is one too many, or does not
 * give what the next one takes does not compile.
 */
export function defineEvent<
  const Version extends number,
  Payload extends z.ZodType,
  Steps extends Readonly<Record<number, Upcaster>>,
>(definition: {
  readonly version: Version;
  readonly payload: Payload;
  readonly upcasters: Steps & Chain<Steps, Version, z.output<Payload>>;
}): EventDefinition & { readonly payload: Payload } {
  return definition;
}

/**
 * Checks the declaration against its own types, then forgets them. Throws a Defect where the
 * upcasters of an event are not those of the versions before it, and where a publication wants what
 * the aggregate does not declare.
 */
export function defineAggregate<
  State,
  AnyCommand extends { readonly type: string },
  Event extends DomainEvent,
  Rejection extends { readonly type: string },
>(aggregate: Aggregate<State, AnyCommand, Event, Rejection>): AnyAggregate {
  const forgotten = aggregate as unknown as AnyAggregate;
  assertUpcasters(forgotten.events);
  assertPublications(forgotten);
  return forgotten;
}

/** Checks a view against its own document and event types, then forgets them. */
export function defineView<Document, Event extends DomainEvent>(view: View<Document, Event>): View {
  return view as unknown as View;
}

/** Checks a publication against its own event types and their payloads, then forgets them. */
export function definePublication<Event extends DomainEvent>(
  publication: Publication<Event>,
): Publication {
  return publication;
}
