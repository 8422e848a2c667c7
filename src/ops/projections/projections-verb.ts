import { defineVerb } from "#ops/cli-arguments.ts";
import type { ExitCode } from "#ops/exit.ts";
import { wholeNumber } from "#ops/flags.ts";
import { patienceArgument, patienceBounds } from "#ops/follow.ts";
import { writeLine } from "#ops/output.ts";

import { diff } from "./diff.ts";
import { rebuild } from "./rebuild.ts";
import { drop, rollback, swap, type Outcome } from "./swap.ts";
import { onViews, viewArgument } from "./views.ts";

/** Names of documents that differ; who needs more looks at the tables. */
const SHOWN_MAX = 10_000;

type Told = { readonly view: string; readonly json?: boolean | undefined };

/** Says what came of it: a refusal in text goes to stderr. */
function tell(args: Told, outcome: Outcome): ExitCode {
  const { code, reason, text } = outcome;
  if (args.json) {
    const done = reason === undefined;
    writeLine(JSON.stringify({ view: args.view, done, ...(done ? {} : { reason }) }));
  } else if (reason === undefined) writeLine(text);
  else process.stderr.write(`${text}\n`);
  return code;
}

const rebuildVerb = defineVerb({
  name: "rebuild",
  description: "Build a view's documents once more, beside those that serve, and follow it",
  args: {
    ...viewArgument,
    partitions: { type: "string", description: "of the new ones; default: as many as there are" },
    detach: { type: "boolean", description: "begin it, and leave it to the service" },
    ...patienceArgument,
  },
  run: ({ view, partitions, ...args }): Promise<ExitCode> => {
    const options = {
      view,
      partitions: partitions === undefined ? null : wholeNumber("partitions", partitions, [1, 256]),
      detach: args.detach === true,
      json: args.json === true,
      patienceMs: wholeNumber("patience", args.patience, patienceBounds) * 1_000,
    };
    return onViews((operations) => rebuild(operations, options));
  },
});

const diffVerb = defineVerb({
  name: "diff",
  description:
    "Compare what serves with what is built, or with the version before; exit 1 if not equal",
  args: {
    ...viewArgument,
    limit: { type: "string", default: "20", description: "how many that differ to name" },
  },
  run: ({ view, limit, json = false }): Promise<ExitCode> => {
    const shownMax = wholeNumber("limit", limit, [0, SHOWN_MAX]);
    return onViews((operations, pool) => diff(operations, pool, { view, shownMax, json }));
  },
});

const swapVerb = defineVerb({
  name: "swap",
  description:
    "Let what was built serve, at once for all; what served is kept as the version before",
  args: {
    ...viewArgument,
    patience: { type: "string", default: "30", description: "seconds to try, while it catches up" },
  },
  run: async (args): Promise<ExitCode> => {
    const patienceMs = wholeNumber("patience", args.patience, patienceBounds) * 1_000;
    return tell(args, await onViews((operations) => swap(operations, args.view, patienceMs)));
  },
});

const rollbackVerb = defineVerb({
  name: "rollback",
  description: "Let the version before the last swap serve again",
  args: viewArgument,
  run: async (args): Promise<ExitCode> =>
    tell(args, await onViews((operations) => rollback(operations, args.view))),
});

const dropVerb = defineVerb({
  name: "drop",
  description: "Drop the version before, or the one that is being built, with its documents",
  args: {
    ...viewArgument,
    building: { type: "boolean", description: "the one that is being built" },
  },
  run: async (args): Promise<ExitCode> => {
    const role = args.building === true ? "building" : "previous";
    return tell(args, await onViews((operations) => drop(operations, args.view, role)));
  },
});

/** `varve projections rebuild|diff|swap|rollback|drop`: versions of a view beside each other. */
export const projectionsVerb = defineVerb({
  name: "projections",
  description: "Versions of a view: build beside, compare, swap, roll back, drop",
  verbs: {
    diff: () => Promise.resolve(diffVerb),
    drop: () => Promise.resolve(dropVerb),
    rebuild: () => Promise.resolve(rebuildVerb),
    rollback: () => Promise.resolve(rollbackVerb),
    swap: () => Promise.resolve(swapVerb),
  },
});
