import type { View } from "#domain/decider.ts";
import type { Reactor } from "#domain/subscription.ts";
import type { EventTypes } from "#domain/upcast.ts";
import { invariant, VarveError } from "#kernel/errors.ts";
import type { Lease, Runnable } from "#store/leases.ts";

import { type Handler, handlerOf } from "./call.ts";
import { type Filter, pageEvent, wants } from "./windows.ts";
import { createReactorWork } from "./reactor-work.ts";
import { type SettingDefaults, type Settings, settingsOf } from "./settings.ts";
import { createViewWork } from "./view-work.ts";
import type { Work, WorkContext } from "./work.ts";

/** A subscription as this program can run it. */
export type Subscription = {
  readonly runnable: Runnable;
  /** Whether a lease of this name is one of its own: a view's versions have names of their own. */
  readonly keeps: (lease: Lease) => boolean;
  readonly settings: Settings;
  readonly filter: Filter;
  readonly makeWork: (context: WorkContext) => Work;
};

export type SubscriptionOptions = {
  readonly defaults: SettingDefaults;
  readonly eventTypes: EventTypes;
};

const filterOf = (events: readonly string[], { aggregateTypes }: Settings): Filter => ({
  types: new Set(events),
  aggregateTypes: aggregateTypes && new Set(aggregateTypes),
});

/** The view of a subscription: `orders` of `orders:building`. */
const viewOf = (subscription: string): string => subscription.replace(/:[a-z]+$/, "");

/** A view of one definition, whatever its role. */
export function viewSubscription(
  view: View,
  fingerprint: string,
  { defaults, eventTypes }: SubscriptionOptions,
): Subscription {
  const settings = settingsOf(view, defaults);
  const { name, version } = view;
  return {
    runnable: { name, version, fingerprint },
    keeps: (lease) =>
      viewOf(lease.subscription) === name &&
      lease.version === version &&
      (lease.fingerprint ?? fingerprint) === fingerprint,
    settings,
    filter: filterOf(view.events, settings),
    makeWork: (context) =>
      createViewWork(context, view, ({ event }) => pageEvent(eventTypes, event)),
  };
}

/** Refuses what its subscription no longer wants: letters may be older than its filter. */
const within =
  (filter: Filter, handle: Handler): Handler =>
  async (event, call) => {
    if (!wants(filter, event)) {
      throw new VarveError("event-not-wanted", "the reactor does not want the event any more");
    }
    await handle(event, call);
  };

/** Something that is called for each event. */
export function handlerSubscription(
  { name, events, settings: declared }: Pick<Reactor, "name" | "events" | "settings">,
  handle: Handler,
  { defaults, eventTypes }: SubscriptionOptions,
): Subscription {
  const settings = settingsOf(declared === undefined ? {} : { settings: declared }, defaults);
  const filter = filterOf(events, settings);
  return {
    runnable: {
      name,
      kind: "reactor",
      eventTypes: events,
      aggregateTypes: settings.aggregateTypes,
    },
    keeps: ({ subscription }) => subscription === name,
    settings,
    filter,
    makeWork: (context) =>
      createReactorWork(context, within(filter, handle), ({ event }) =>
        pageEvent(eventTypes, event),
      ),
  };
}

/** A declared reactor, with the variables of the environment that it names. */
export function reactorSubscription(
  reactor: Reactor,
  variables: Readonly<Record<string, string>>,
  options: SubscriptionOptions,
): Subscription {
  const own = (reactor.variables ?? []).map((name) => {
    const value = variables[name];
    invariant(value !== undefined, `the start has let ${name} pass, which ${reactor.name} needs`);
    return [name, value];
  });
  return handlerSubscription(
    reactor,
    handlerOf(reactor, Object.fromEntries(own) as Record<string, string>),
    options,
  );
}
