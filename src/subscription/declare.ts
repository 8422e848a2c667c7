/** What the start says of subscriptions: checks what the domain declares, and makes their rows. */
import type { AnyAggregate, Publication, View } from "#domain/decider.ts";
import { publicationsOf } from "#domain/publications.ts";
import type { Reactor, SubscriptionSettings } from "#domain/subscription.ts";
import { VarveError } from "#kernel/errors.ts";
import { ensureView } from "#store/documents.ts";
import type { Pool } from "#store/pool.ts";
import { declareReactor, positionAt } from "#store/subscriptions.ts";

import { assertSettings, type SettingDefaults, type Settings, settingsOf } from "./settings.ts";

export const viewsOf = (aggregates: readonly AnyAggregate[]): readonly View[] =>
  aggregates.flatMap(({ views }) => views);

export const reactorsOf = (aggregates: readonly AnyAggregate[]): readonly Reactor[] =>
  aggregates.flatMap(({ reactors = [] }) => reactors);

/** Publications are reactors of the runtime's own; each runs where it has a target. */
export const publishedBy = (
  aggregates: readonly AnyAggregate[],
  targets: readonly { readonly name: string }[],
): readonly Publication[] =>
  publicationsOf(aggregates).filter(({ name }) => targets.some((target) => target.name === name));

/** Under which a view's fingerprint is kept. */
export const definitionOf = ({ name, version }: Pick<View, "name" | "version">): string =>
  `${name}@${version}`;

type Wanting = {
  readonly name: string;
  readonly events: readonly string[];
  readonly settings?: SubscriptionSettings;
};

/** What the subscription wants and would wait for in vain. */
function undeclaredOf({ name, events, settings }: Wanting, aggregates: readonly AnyAggregate[]) {
  const eventTypes = new Set(aggregates.flatMap((one) => Object.keys(one.events)));
  const aggregateTypes = new Set(aggregates.map(({ type }) => type));
  return [
    ...events.filter((type) => !eventTypes.has(type)),
    ...(settings?.aggregateTypes ?? []).filter((type) => !aggregateTypes.has(type)),
  ].map((type) => `nothing declares ${type} of ${name}`);
}

/**
 * The environment variables that reactors name. Throws `configuration-invalid` for settings that do
 * not fit, two subscriptions of one name, one that wants what nothing declares, and variables that
 * are not set; all of them at once within each kind.
 */
export function checkSubscriptions(
  aggregates: readonly AnyAggregate[],
  defaults: SettingDefaults,
  environment: Readonly<Record<string, string | undefined>>,
): Readonly<Record<string, string>> {
  const [views, reactors] = [viewsOf(aggregates), reactorsOf(aggregates)];
  const publications = publicationsOf(aggregates);
  assertSettings([...views, ...reactors, ...publications], defaults);
  const names = [
    ...new Set(views.map(({ name }) => name)),
    ...[...reactors, ...publications].map(({ name }) => name),
  ];
  const faults = [
    ...names
      .filter((name, index) => names.indexOf(name) < index)
      .map((name) => `${name} stands for two subscriptions`),
    ...names
      .filter((name) => !/^[a-z][a-z0-9-]{0,59}$/.test(name))
      .map((name) => `${name} must be 1 to 60 of a-z 0-9 - and begin with a letter`),
    ...[...views, ...reactors, ...publications].flatMap((one) => undeclaredOf(one, aggregates)),
    ...reactors.flatMap(({ name, variables = [] }) =>
      variables
        .filter((variable) => (environment[variable] ?? "") === "")
        .map((variable) => `${variable} must be set: ${name} needs it`),
    ),
  ];
  if (faults.length > 0) {
    const text = ["the subscriptions are invalid:", ...faults].join("\n  ");
    throw new VarveError("configuration-invalid", text, { faults: faults.length });
  }
  const wanted = reactors.flatMap(({ variables = [] }) => variables);
  return Object.fromEntries(wanted.map((name) => [name, environment[name] ?? ""]));
}

/** Where a new subscription begins, exclusive; null for the end. */
async function startPosition(pool: Pool, { startFrom }: Settings): Promise<number | null> {
  if (startFrom === "beginning") return 0;
  if (startFrom === "end") return null;
  return "position" in startFrom ? startFrom.position : positionAt(pool, startFrom.time);
}

export type DeclareOptions = {
  readonly aggregates: readonly AnyAggregate[];
  /** Of publications. */
  readonly targets: readonly { readonly name: string }[];
  /** Of each view's definition, by `definitionOf`. */
  readonly fingerprints: ReadonlyMap<string, string>;
  readonly defaults: SettingDefaults;
};

/**
 * Makes what each subscription needs in the database, unless it is there. A view whose definition
 * has changed is built beside the one that serves. Throws `schema-behind` for a view of which a
 * later version serves and nothing is kept for this one.
 */
export async function declareSubscriptions(
  pool: Pool,
  { aggregates, targets, fingerprints, defaults }: DeclareOptions,
): Promise<void> {
  // Earlier versions first: the latest is the one that is built where none is there.
  const views = viewsOf(aggregates).toSorted((left, right) => left.version - right.version);
  for (const view of views) {
    const { name, version, list, events } = view;
    const settings = settingsOf(view, defaults);
    await ensureView(pool, {
      name,
      version,
      filterFields: Object.values(list?.filters ?? {}).map(({ field }) => field),
      fingerprint: fingerprints.get(definitionOf(view)) ?? "",
      eventTypes: events,
      aggregateTypes: settings.aggregateTypes,
      partitions: settings.partitions,
      startPosition: await startPosition(pool, settings),
    });
  }
  for (const reactor of [...reactorsOf(aggregates), ...publishedBy(aggregates, targets)]) {
    const settings = settingsOf(reactor, defaults);
    await declareReactor(pool, {
      name: reactor.name,
      partitions: settings.partitions,
      eventTypes: reactor.events,
      aggregateTypes: settings.aggregateTypes,
      startPosition: await startPosition(pool, settings),
    });
  }
}
