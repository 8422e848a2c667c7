/**
 * Golden files: each version of each event type once as it was stored.
 *
 * What it is. `<Type>.v<version>.json` holds the stored event (`stored`), the JSON schema that its
 * payload had (`schema`), and what a program of today makes of it (`today`).
 *
 * What it promises. A payload that changes without a new version, a version without its file, and an
 * upcaster that gives something else than it gave, are each a fault. `stored` and `schema` are
 * written once; `today` alone changes, by hand, with an upcaster that follows.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

import { z } from "zod";

import type { AnyAggregate, EventDefinition } from "#domain/decider.ts";
import { eventTypesOf, upcast } from "#domain/upcast.ts";

export type Golden = {
  readonly stored: {
    readonly aggregateType: string;
    readonly type: string;
    readonly schemaVersion: number;
    readonly payload: unknown;
    readonly metadata: unknown;
  };
  readonly schema: unknown;
  readonly today: unknown;
};

/** Files by name. */
export type GoldenFiles = ReadonlyMap<string, Golden>;

/** Where the files of this service lie. */
export const goldenFolder = "test/contract/golden";

export const goldenName = ({ type, schemaVersion }: Golden["stored"]): string =>
  `${type}.v${schemaVersion}.json`;

export const readGolden = (folder: string = goldenFolder): GoldenFiles =>
  new Map(
    readdirSync(folder)
      .toSorted()
      .map((name) => [name, JSON.parse(readFileSync(join(folder, name), "utf8")) as Golden]),
  );

/** The form of today's payload, as text to compare. What a refinement adds is not in it. */
export const schemaOf = ({ payload }: EventDefinition): unknown =>
  JSON.parse(JSON.stringify(z.toJSONSchema(payload)));

function faultsOf(name: string, golden: Golden, aggregates: readonly AnyAggregate[]) {
  const { stored, schema, today } = golden;
  if (name !== goldenName(stored)) return [`${name} holds ${goldenName(stored)}`];
  const declared = eventTypesOf(aggregates).get(stored.type);
  const read = upcast(declared, {
    ...stored,
    eventId: "0195549e-0000-7000-8000-000000000001",
    aggregateId: "golden",
    version: 1,
    position: 1,
    createdAt: "2025-03-10T09:15:00.123456Z",
  });
  if (declared === undefined || !read.ok) return [`${name} cannot be read by this program`];
  const { definition } = declared;
  const parsed = definition.payload.safeParse(read.value.payload);
  if (!parsed.success) return [`${name} does not fit today's schema`];
  const faults: string[] = [];
  if (!Bun.deepEquals(parsed.data, today, true)) faults.push(`${name} is not read as its "today"`);
  const isToday = stored.schemaVersion === definition.version;
  if (isToday && !Bun.deepEquals(schemaOf(definition), schema, true)) {
    faults.push(`${name}: the payload has changed; raise the version and write an upcaster`);
  }
  return faults;
}

/** What is wrong with the files, and versions that have none. */
export function goldenFaults(
  aggregates: readonly AnyAggregate[],
  files: GoldenFiles,
): readonly string[] {
  const missing = aggregates
    .flatMap(({ events }) => Object.entries(events))
    .flatMap(([type, { version }]) =>
      Array.from({ length: version }, (_, index) => `${type}.v${index + 1}.json`),
    )
    .filter((name) => !files.has(name))
    .map((name) => `${name} is missing: bun run golden writes it`);
  return [
    ...missing,
    ...[...files].flatMap(([name, golden]) => faultsOf(name, golden, aggregates)),
  ];
}
