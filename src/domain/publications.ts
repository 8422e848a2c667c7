import { invariant } from "#kernel/errors.ts";
import { personalFields, type PersonalMark } from "#kernel/personal.ts";

import type { AnyAggregate, Publication } from "./decider.ts";

/** A publication with what its aggregate says of the fields that it opens. */
export type DeclaredPublication = Publication & {
  /** By payload field. Empty: whatever is personal leaves sealed. */
  readonly opened: ReadonlyMap<string, PersonalMark>;
};

/** How the commands mark the field; several may take it, in one and the same way. */
function markOf({ commands }: AnyAggregate, field: string, publication: string): PersonalMark {
  const marks = Object.values(commands).flatMap(
    ({ body }) => personalFields(body).get(field) ?? [],
  );
  const [first] = marks;
  invariant(first !== undefined, `${publication} opens ${field}, which no command marks personal`);
  const isOne = marks.every(({ label }) => label === first.label);
  invariant(isOne, `${publication} opens ${field}, which stands for two personal fields`);
  return first;
}

const openedBy = (aggregate: AnyAggregate, { name, opens = [] }: Publication) =>
  new Map(opens.map((field) => [field, markOf(aggregate, field, name)]));

/**
 * Throws a Defect for a publication of no event or of one that the aggregate does not declare, and
 * for one that opens what is not declared personal: the mark says whose it is and how it was sealed.
 */
export function assertPublications(aggregate: AnyAggregate): void {
  for (const publication of aggregate.publications ?? []) {
    const { name, events } = publication;
    invariant(events.length > 0, `${name} publishes no event`);
    const unknown = events.find((type) => !Object.hasOwn(aggregate.events, type));
    invariant(unknown === undefined, `nothing declares ${unknown}, which ${name} publishes`);
    openedBy(aggregate, publication);
  }
}

/** The publications of all aggregates. */
export const publicationsOf = (
  aggregates: readonly AnyAggregate[],
): readonly DeclaredPublication[] =>
  aggregates.flatMap((aggregate) =>
    (aggregate.publications ?? []).map((publication) => ({
      ...publication,
      opened: openedBy(aggregate, publication),
    })),
  );
