import { aggregates as registered } from "#domain/registry.ts";
import type { AnyAggregate, View } from "#domain/decider.ts";
import { type EventTypes, eventTypesOf } from "#domain/upcast.ts";
import { invariant } from "#kernel/errors.ts";

import { type Bundle, bundleDomain } from "./bundle.ts";
import { textOf, type Unit } from "./program.ts";
import { stepsIn } from "./steps.ts";

/** Where a view or an event is declared. */
type Place = { readonly bundle: Bundle; readonly aggregate: AnyAggregate };

const nameOf = ({ exports }: Bundle, value: unknown): string | undefined =>
  exports.find((each) => each.value === value)?.name;

function unitNamed({ program }: Bundle, name: string): Unit {
  const unit = program.unitOf.get(name);
  invariant(unit !== undefined, "what a module of the domain exports is not in the bundle");
  return unit;
}

/** Where nothing smaller is exported: the code of the aggregate, else that of all of them. */
const wholeOf = ({ bundle, aggregate }: Place): Unit =>
  unitNamed(bundle, nameOf(bundle, aggregate) ?? bundle.registry);

function codeOfView(place: Place, view: View): string {
  const name = nameOf(place.bundle, view);
  const unit = name === undefined ? wholeOf(place) : unitNamed(place.bundle, name);
  return textOf(place.bundle.program, unit);
}

/** The code of the upcasters of an event type, which shape what a view sees of earlier versions. */
function codeOfSteps(place: Place, type: string): string {
  const { bundle, aggregate } = place;
  const { program, exports } = bundle;
  const definition = aggregate.events[type];
  const unitIn = (name: string, member?: string): Unit =>
    stepsIn(program, name, member) ?? unitNamed(bundle, name);
  const own = nameOf(bundle, definition);
  if (own !== undefined) return textOf(program, unitIn(own));
  const record = exports.find(
    ({ value }) => Object.getOwnPropertyDescriptor(value, type)?.value === definition,
  );
  return textOf(program, record === undefined ? wholeOf(place) : unitIn(record.name, type));
}

/** What a view sees of an event type, apart from what was stored. */
function describeEvent(bundle: Bundle, types: EventTypes, type: string): readonly unknown[] {
  const declared = types.get(type);
  if (declared === undefined) return [type];
  const { aggregateType, definition } = declared;
  const facts = [type, aggregateType, definition.version];
  if (Object.keys(definition.upcasters ?? {}).length === 0) return facts;
  const aggregate = registered.find(({ events }) => events[type] === definition);
  invariant(aggregate !== undefined, `${type} is declared by no aggregate of the registry`);
  return [...facts, codeOfSteps({ bundle, aggregate }, type)];
}

/**
 * The definition of each view by `name@version`, as text: its code with all that the code reaches,
 * and what it sees of its events. Throws a Defect for an aggregate that the registry does not list,
 * for its code cannot be found.
 */
export async function viewDefinitions(
  aggregates: readonly AnyAggregate[],
): Promise<ReadonlyMap<string, string>> {
  const bundle = await bundleDomain();
  const types = eventTypesOf(aggregates);
  const definitions = new Map<string, string>();
  for (const aggregate of aggregates) {
    const isListed = registered.includes(aggregate);
    invariant(isListed, `the registry does not list the aggregate ${aggregate.name}`);
    for (const view of aggregate.views) {
      const key = `${view.name}@${view.version}`;
      invariant(!definitions.has(key), `two views are called ${key}`);
      const events = view.events.toSorted().map((type) => describeEvent(bundle, types, type));
      const facts = JSON.stringify([view.name, view.version, events]);
      definitions.set(key, `${facts}\n${codeOfView({ bundle, aggregate }, view)}`);
    }
  }
  return definitions;
}
