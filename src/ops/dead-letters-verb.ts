import {
  createOperations,
  type LetterAnswer,
  type LetterFilter,
  type LetterRequest,
  type Operations,
} from "#query/operations.ts";
import { countDeadLetters, type LetterCounts } from "#store/dead-letters.ts";
import type { Pool } from "#store/pool.ts";

import { defineVerb, printable } from "./cli-arguments.ts";
import { requireConfig } from "./config.ts";
import { withPool } from "./database.ts";
import { type ExitCode, exitCodes, UsageError } from "./exit.ts";
import { follow, patienceArgument, patienceBounds, sayIfItLasts, sayNowAndThen } from "./follow.ts";
import { wholeNumber } from "./flags.ts";
import { catchInterrupts } from "./interrupts.ts";
import { progressLine, writeLine } from "./output.ts";

const IDS = [1, Number.MAX_SAFE_INTEGER] as const;

const onLetters = <Value>(work: (operations: Operations, pool: Pool) => Promise<Value>) =>
  withPool(requireConfig(process.env).database, "dead-letters", (pool) =>
    work(createOperations(pool), pool),
  );

const filterArguments = {
  subscription: { type: "string", description: "those of this subscription" },
  code: { type: "string", description: "those with this error code" },
  key: { type: "string", description: "those of this document or stream" },
} as const;

type Filters = {
  readonly subscription?: string | undefined;
  readonly code?: string | undefined;
  readonly key?: string | undefined;
};

const filterOf = ({ subscription, code, key }: Filters): LetterFilter => ({
  ...(subscription === undefined ? {} : { subscription }),
  ...(code === undefined ? {} : { errorCode: code }),
  ...(key === undefined ? {} : { key }),
});

const idOf = (text: string): number => {
  const id = /^\d{1,15}$/.test(text) ? Number(text) : 0;
  if (id === 0) throw new UsageError("an id is a whole number: `dead-letters list` shows them");
  return id;
};

const noLetter = (id: number): UsageError =>
  new UsageError(`there is no dead letter ${id}: \`dead-letters list\` shows them`);

type Item = LetterAnswer["items"][number];

/** What it waits for, or what became of it. */
function stateOf({ state, reason, waitsFor, dueAt, behindId }: Item): string {
  if (state !== "waiting") return reason === null ? state : `${state}: ${printable(reason)}`;
  if (waitsFor === "time") return `tried again at ${dueAt}`;
  return waitsFor === "letter" ? `behind ${behindId ?? "another"}` : "waits for a person";
}

function lineOf(item: Item): string {
  const { id, subscription, position, key, eventType, errorCode, attempts } = item;
  const event = `${eventType ?? "event"} at ${position}`;
  const failed = attempts === 0 ? errorCode : `${errorCode}, ${attempts} attempts`;
  return [id, subscription, event, printable(key), failed, stateOf(item)].join("  ");
}

const states = ["waiting", "resolved", "discarded"] as const;

const list = defineVerb({
  name: "list",
  description: "Show events that were put aside, and what each waits for",
  args: {
    ...filterArguments,
    state: { type: "string", default: "waiting", description: "waiting, resolved or discarded" },
    limit: { type: "string", default: "100", description: "how many, at most 1000" },
    cursor: { type: "string", description: "where the page before ended" },
  },
  run: async (args): Promise<void> => {
    const state = states.find((one) => one === args.state);
    if (state === undefined) throw new UsageError(`--state is ${states.join(", ")}`);
    const request: LetterRequest = {
      ...filterOf(args),
      state,
      limit: wholeNumber("limit", args.limit, [1, 1_000]),
      ...(args.cursor === undefined ? {} : { cursor: wholeNumber("cursor", args.cursor, IDS) }),
    };
    const page = await onLetters((operations) => operations.deadLetters(request));
    if (args.json) return writeLine(JSON.stringify(page));
    if (page.items.length === 0) writeLine("none");
    for (const item of page.items) writeLine(lineOf(item));
    if (page.nextCursor !== null) writeLine(`more: --cursor ${page.nextCursor}`);
  },
});

/** Waits until none of them is to be tried now; what is left of them. */
async function waitForThem(pool: Pool, match: LetterFilter, patienceMs: number) {
  const { signal, release } = catchInterrupts();
  const [say, sayStill] = [sayNowAndThen(), sayIfItLasts()];
  let counts: LetterCounts = { waiting: 0, due: 0, unheld: 0 };
  const look = async () => {
    counts = await countDeadLetters(pool, match);
    const { waiting, due, unheld } = counts;
    if (due > 0) say(() => `${due} are being tried, ${waiting} wait in all`);
    const isStill = due > 0 && unheld === due;
    sayStill(isStill ? "no running service tries them, or they are paused" : undefined);
    return { done: due === 0, mark: `${waiting} ${due}` };
  };
  const end = await follow({ look, patienceMs, signal }).finally(release);
  progressLine.clear();
  return { end, ...counts };
}

type Chosen = Filters & { readonly id?: string | undefined; readonly all?: boolean | undefined };

function wantedOf(args: Chosen): LetterFilter {
  const filter = filterOf(args);
  const filters = Object.keys(filter).length;
  const id = args.id === undefined ? {} : { id: idOf(args.id) };
  const ways = [filters > 0, args.id !== undefined, args.all === true].filter(Boolean).length;
  if (ways === 0) throw new UsageError("say which: an id, filters, or --all");
  if (ways > 1) throw new UsageError("an id, filters and --all do not go together");
  return { ...filter, ...id };
}

type Retried =
  | { readonly retried: number }
  | {
      readonly id: number;
      readonly retried: 0;
      readonly reason: string;
      readonly headId?: number | null;
    };

/** Has them tried again; a single one says why it cannot be. */
async function retryThem(operations: Operations, match: LetterFilter): Promise<Retried> {
  const { id } = match;
  if (id === undefined) return { retried: await operations.retryLetters(match) };
  const outcome = await operations.retryLetter(id);
  switch (outcome.kind) {
    case "unknown":
      throw noLetter(id);
    case "done":
      return { retried: 1 };
    case "settled":
      return { id, retried: 0, reason: "dead-letter-settled" };
    case "behind":
      return { id, retried: 0, reason: "dead-letter-behind", headId: outcome.headId };
  }
}

function refusalText(retried: Extract<Retried, { reason: string }>): string {
  if (retried.reason === "dead-letter-settled") return `${retried.id} does not wait any more`;
  return `${retried.id} waits behind ${retried.headId ?? "another"}, and follows it by itself`;
}

const retry = defineVerb({
  name: "retry",
  description: "Have one, those that match or all tried again; those behind them follow",
  args: {
    id: { type: "positional", required: false, description: "one letter" },
    ...filterArguments,
    all: { type: "boolean", description: "all that wait" },
    wait: { type: "boolean", description: "wait until each was tried" },
    ...patienceArgument,
  },
  run: async (args): Promise<ExitCode> => {
    const match = wantedOf(args);
    const patienceMs = wholeNumber("patience", args.patience, patienceBounds) * 1_000;
    return onLetters(async (operations, pool): Promise<ExitCode> => {
      const retried = await retryThem(operations, match);
      const show = (more: object, text: string): void =>
        writeLine(args.json ? JSON.stringify({ ...retried, ...more }) : text);
      if ("reason" in retried) {
        show({}, refusalText(retried));
        return exitCodes.faultFound;
      }
      const count = `${retried.retried} to be tried again`;
      if (args.wait !== true) {
        show({}, count);
        return exitCodes.done;
      }
      const { end, ...left } = await waitForThem(pool, match, patienceMs);
      show(left, `${count}; ${left.waiting} wait, ${left.due} of them are being tried`);
      if (end === "interrupted") return exitCodes.interrupted;
      if (end === "stalled") return exitCodes.tryAgain;
      return left.waiting === 0 ? exitCodes.done : exitCodes.faultFound;
    });
  },
});

const discard = defineVerb({
  name: "discard",
  description: "Give one up for good: its event never takes effect, those behind it go on",
  args: {
    id: { type: "positional", required: true, description: "the letter" },
    reason: { type: "string", required: true, description: "why, for whoever looks later" },
  },
  run: async (args): Promise<ExitCode> => {
    const id = idOf(args.id);
    const reason = args.reason.trim();
    if (reason === "" || reason.length > 500)
      throw new UsageError("--reason is 1 to 500 characters");
    const { kind } = await onLetters((operations) => operations.discardLetter(id, reason));
    if (kind === "unknown") throw noLetter(id);
    const discarded = kind === "done";
    if (args.json) writeLine(JSON.stringify({ id, discarded, ...(discarded ? { reason } : {}) }));
    else writeLine(discarded ? "discarded" : `${id} does not wait any more`);
    return discarded ? exitCodes.done : exitCodes.faultFound;
  },
});

/** `varve dead-letters list|retry|discard`: events that subscriptions put aside. */
export const deadLettersVerb = defineVerb({
  name: "dead-letters",
  description: "Events that a subscription put aside: look, try again, give up",
  verbs: {
    discard: () => Promise.resolve(discard),
    list: () => Promise.resolve(list),
    retry: () => Promise.resolve(retry),
  },
});
