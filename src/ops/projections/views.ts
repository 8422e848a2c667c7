import {
  createOperations,
  versionOf,
  type Operations,
  type SubscriptionItem,
} from "#query/operations.ts";
import type { Pool } from "#store/pool.ts";

import { printable } from "#ops/cli-arguments.ts";
import { requireConfig } from "#ops/config.ts";
import { withPool } from "#ops/database.ts";
import { UsageError } from "#ops/exit.ts";

/** Runs a verb's work on the configured database. */
export const onViews = <Value>(
  work: (operations: Operations, pool: Pool) => Promise<Value>,
): Promise<Value> =>
  withPool(requireConfig(process.env).database, "projections", (pool) =>
    work(createOperations(pool), pool),
  );

export const noView = (view: string): UsageError =>
  new UsageError(`there is no view ${printable(view)}: \`subscriptions list\` names them`);

export const viewArgument = {
  view: { type: "positional", required: true, description: "the view: orders" },
} as const;

export type Versions = {
  readonly head: number;
  readonly serving: SubscriptionItem;
  readonly building: SubscriptionItem | undefined;
  readonly previous: SubscriptionItem | undefined;
};

/** The versions of a view. Throws UsageError where there is none that serves. */
export async function versionsOf(operations: Operations, view: string): Promise<Versions> {
  const list = await operations.subscriptions(view);
  const serving = versionOf(list, view, "serving");
  if (serving === undefined) throw noView(view);
  return {
    head: list.head,
    serving,
    building: versionOf(list, view, "building"),
    previous: versionOf(list, view, "previous"),
  };
}
