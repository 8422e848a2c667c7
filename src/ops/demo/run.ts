/*
 * The demo: real invoices become commands, and commands become read models.
 *
 * What it is. A caller of the API like any other. It turns a wholesaler's invoices, or orders that
 * it makes up, into commands, sends them over HTTP and reads the sums back. It sees the service
 * through its routes alone, so what it shows holds for every caller.
 *
 * What it promises.
 * - The same file gives the same commands at every run: ids, bodies and idempotency keys depend on
 *   the invoices alone. A second run changes nothing, a run after an interruption goes on where the
 *   first one stopped, and both end with the totals of an undisturbed one.
 * - The commands of one customer arrive one after the other in the order of the invoices; those of
 *   different customers run side by side, at most `concurrency` at a time.
 * - Orders that it makes up carry the run in their ids: each run adds its own.
 * - It ends only after the views show what it sent, or says that they are behind.
 *
 * What it relies on. The service takes a repeat of a command for the same command, by its
 * `Idempotency-Key` or because the order is past it. `/health` tells the truth about lag.
 *
 * How it fails. 429, 503, broken connections and passing conflicts are repeated with growing
 * pauses for a minute; any other refusal stops the sending, and the report carries the problem
 * document. Commands on their way are awaited, so that the counts are true in each case.
 *
 * What it does not do. It does not start the service, check permissions beforehand or clean up.
 */
import type { ServiceAccess } from "#ops/service-access.ts";

import { inOrderPerCustomer } from "./in-order.ts";
import { readInvoices } from "./invoices.ts";
import { planMadeUp } from "./made-up.ts";
import { type CommandName, type Plan, type PlannedCommand, planInvoices } from "./plan.ts";
import type { Progress } from "./progress.ts";
import { type Failure, type Outcome, type Patience, send } from "./send.ts";
import { readSales, type Sales, viewsCaughtUp } from "./service.ts";

export type DemoOptions = {
  readonly service: ServiceAccess;
  /** A CSV file of invoices, plain or gzipped; without it orders are made up. */
  readonly file?: string | undefined;
  /** Invoices taken from the file, or orders made up (200 if absent). */
  readonly limit?: number | undefined;
  readonly concurrency: number;
  readonly progress: Progress;
  /** Stops the sending and the waiting; what is on its way is still awaited and counted. */
  readonly signal: AbortSignal;
  readonly patience?: Patience;
  readonly viewsMs?: number;
};

/**
 * What a run did. `orders`, `shipped`, `delivered` and `cancelled` count commands that are in
 * effect, whichever run sent them; `alreadyThere` those that an earlier one did. `position` is the
 * highest that an answer named. `sales` is null when it was not or could not be read, and
 * `failure` then says why, if there was one.
 */
export type Report = {
  readonly outcome: "done" | "interrupted" | "failed" | "views-behind";
  readonly orders: number;
  readonly shipped: number;
  readonly delivered: number;
  readonly cancelled: number;
  readonly skipped: number;
  readonly unmatched: number;
  readonly planned: number;
  readonly commands: number;
  readonly alreadyThere: number;
  readonly seconds: number;
  readonly commandsPerSecond: number;
  readonly position: number;
  readonly sales: Sales | null;
  readonly failure: Failure | null;
};

type Sent = {
  readonly counts: Readonly<Record<CommandName, number>>;
  readonly alreadyThere: number;
  readonly position: number;
  readonly seconds: number;
  readonly failure: Failure | null;
};

const madeUpOrders = 200;
/** The views follow within milliseconds; a minute of lag means that they will not. */
const viewsMsMax = 60_000;

/** Plans, sends, waits for the views, reads the sums. Throws "invalid-data" for a bad file. */
export async function runDemo(options: DemoOptions): Promise<Report> {
  const { progress, service, signal, viewsMs = viewsMsMax } = options;
  const plan = await makePlan(options);
  const sent = await sendAll(plan.commands, options);
  const report = (outcome: Report["outcome"], rest: Partial<Report> = {}): Report =>
    toReport(plan, sent, { outcome, ...rest });
  if (sent.failure !== null) return report("failed");
  if (signal.aborted) return report("interrupted");
  progress.note("Waiting for the views …");
  const wait = { withinMs: viewsMs, signal };
  const caughtUp = await viewsCaughtUp(service.url, sent.position, wait);
  if (signal.aborted) return report("interrupted");
  const read = await readSales(service);
  if (read.ok) return report(caughtUp ? "done" : "views-behind", { sales: read.value });
  const { status, body: problem } = read.error;
  const failure: Failure = { command: "queries/sales", status, problem };
  const mayNotRead = status === 401 || status === 403;
  if (mayNotRead) return report(caughtUp ? "done" : "views-behind", { failure });
  return report("failed", { failure });
}

async function makePlan({ file, limit, progress }: DemoOptions): Promise<Plan> {
  if (file !== undefined) return planInvoices(await readInvoices(file, limit));
  const nowMs = Date.now();
  const run = nowMs.toString(36);
  const count = limit ?? madeUpOrders;
  progress.note(`No --file: making up ${count} new orders, demo-${run}-001 and on.`);
  return planMadeUp(count, run, nowMs);
}

async function sendAll(
  commands: readonly PlannedCommand[],
  { service, concurrency, progress, signal, patience }: DemoOptions,
): Promise<Sent> {
  const counts: Record<CommandName, number> = { create: 0, ship: 0, deliver: 0, cancel: 0 };
  let [answered, alreadyThere, position] = [0, 0, 0];
  let failure: Failure | null = null;
  const startedAt = performance.now();
  const count = ({ command }: PlannedCommand, outcome: Outcome): "continue" | "stop" => {
    if (outcome.kind === "stopped") return "stop";
    if (outcome.kind === "failed") {
      failure ??= outcome.failure;
      return "stop";
    }
    counts[command] += 1;
    answered += 1;
    if (outcome.kind === "already-there") alreadyThere += 1;
    position = Math.max(position, outcome.position);
    progress.advance(answered);
    return "continue";
  };
  progress.begin(commands.length);
  await inOrderPerCustomer(commands, concurrency, async (planned) =>
    count(planned, await send(service, planned, signal, patience)),
  );
  progress.end(`${answered.toLocaleString("en-GB")} commands answered`);
  const seconds = (performance.now() - startedAt) / 1000;
  return { counts, alreadyThere, position, seconds, failure };
}

function toReport(plan: Plan, sent: Sent, rest: Pick<Report, "outcome"> & Partial<Report>): Report {
  const { create, ship, deliver, cancel } = sent.counts;
  const commands = create + ship + deliver + cancel;
  return {
    orders: create,
    shipped: ship,
    delivered: deliver,
    cancelled: cancel,
    skipped: plan.skipped,
    unmatched: plan.unmatched,
    planned: plan.commands.length,
    commands,
    alreadyThere: sent.alreadyThere,
    seconds: Math.round(sent.seconds * 1000) / 1000,
    commandsPerSecond: commands === 0 ? 0 : Math.round(commands / sent.seconds),
    position: sent.position,
    sales: null,
    failure: sent.failure,
    ...rest,
  };
}
