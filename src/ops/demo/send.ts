import { sleep } from "#kernel/clock.ts";
import type { ServiceAccess } from "#ops/service-access.ts";

import type { CommandName, PlannedCommand } from "./plan.ts";

/** Bounds of one request and of its repeats, in milliseconds. */
export type Patience = {
  readonly requestMs: number;
  readonly backoffMsMin: number;
  readonly backoffMsMax: number;
  readonly retryAfterMsMax: number;
  readonly giveUpMs: number;
};

/** Why a command was given up: the answer's status and body, or what kept it from arriving. */
export type Failure = {
  readonly command: string;
  readonly status: number | null;
  readonly problem: unknown;
};

/** `position` is the answer's `Varve-Position`, 0 if it had none. */
export type Outcome =
  | { readonly kind: "done" | "already-there"; readonly position: number }
  | { readonly kind: "stopped" }
  | { readonly kind: "failed"; readonly failure: Failure };

/** Longer than any sane answer; a restart of the service takes seconds, a minute is an outage. */
export const patience: Patience = {
  requestMs: 30_000,
  backoffMsMin: 100,
  backoffMsMax: 5_000,
  retryAfterMsMax: 30_000,
  giveUpMs: 60_000,
};

/** What a repeated command meets where the first answer is no longer kept. */
const alreadyThere: Readonly<Record<CommandName, string>> = {
  create: "order-already-exists",
  ship: "order-not-shippable",
  deliver: "order-not-deliverable",
  cancel: "order-not-cancellable",
};

/** Refusals of the moment: the first attempt still runs, or another writer was faster. */
const passing: readonly unknown[] = ["idempotency-in-progress", "version-conflict"];

type Answer = {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Readonly<Record<string, unknown>> | string;
};

/**
 * Sends one command until it is answered for good. Repeats it after 429, 503, a passing refusal
 * and a broken connection, at growing intervals or as `Retry-After` asks, until `giveUpMs` are
 * over; every command carries an `Idempotency-Key` of its own, so that a repeat is safe. A repeat
 * whose first answer was lost counts as already there. The signal ends the waiting between
 * attempts, never a request that is on its way, so that what was sent is also counted.
 */
export async function send(
  service: ServiceAccess,
  planned: PlannedCommand,
  signal: AbortSignal,
  bounds: Patience = patience,
): Promise<Outcome> {
  const giveUpAt = performance.now() + bounds.giveUpMs;
  for (let attempt = 0; ; attempt += 1) {
    if (signal.aborted) return { kind: "stopped" };
    const answer = await post(service, planned, bounds.requestMs);
    const settled = settle(planned.command, answer);
    if (settled !== undefined) return settled;
    const waitMs = isPassing(answer) ? retryDelayMs(answer, attempt, bounds) : Infinity;
    if (performance.now() + waitMs > giveUpAt) {
      return { kind: "failed", failure: failureOf(planned, answer) };
    }
    await sleep(waitMs, signal);
  }
}

/** The answer with its body read to the end, which frees the connection for the next command. */
async function post(
  { url, key }: ServiceAccess,
  { orderId, command, body }: PlannedCommand,
  requestMs: number,
): Promise<Answer | Error> {
  try {
    const response = await fetch(`${url}/commands/orders/${orderId}/${command}`, {
      method: "POST",
      headers: {
        authorization: `Bearer ${key}`,
        "content-type": "application/json",
        "idempotency-key": `demo:${orderId}:${command}`,
      },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(requestMs),
    });
    const text = await response.text();
    return { status: response.status, headers: response.headers, body: readBody(text) };
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}

function readBody(text: string): Answer["body"] {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "object" && value !== null) return { ...value };
  } catch {
    // Not JSON: something in front of the service answered. The text says what.
  }
  return text.slice(0, 500);
}

const field = (answer: Answer, name: string): unknown =>
  typeof answer.body === "string" ? undefined : answer.body[name];

function settle(command: CommandName, answer: Answer | Error): Outcome | undefined {
  if (answer instanceof Error) return undefined;
  const position = Number(answer.headers.get("varve-position") ?? 0);
  if (answer.status === 200 || answer.status === 201) {
    const events = field(answer, "events");
    const unchanged = Array.isArray(events) && events.length === 0;
    const replayed = answer.headers.get("idempotency-replayed") === "true";
    return { kind: replayed || unchanged ? "already-there" : "done", position };
  }
  if (answer.status === 409 && field(answer, "code") === alreadyThere[command]) {
    return { kind: "already-there", position };
  }
  return undefined;
}

function isPassing(answer: Answer | Error): boolean {
  if (answer instanceof Error || answer.status === 429 || answer.status === 503) return true;
  return answer.status === 409 && passing.includes(field(answer, "code"));
}

/** Doubles from the least to the most, less up to a half by chance; `Retry-After` may ask more. */
function retryDelayMs(answer: Answer | Error, attempt: number, bounds: Patience): number {
  const { backoffMsMin, backoffMsMax, retryAfterMsMax } = bounds;
  const backoffMs = Math.min(backoffMsMax, backoffMsMin * 2 ** attempt) * (1 - Math.random() / 2);
  const asked = answer instanceof Error ? null : answer.headers.get("retry-after");
  return Math.max(backoffMs, Math.min(retryAfterMsMax, retryAfterMs(asked)));
}

/** Seconds or an HTTP date (RFC 9110, section 10.2.3) as milliseconds from now; else 0. */
function retryAfterMs(text: string | null): number {
  if (text === null) return 0;
  const ms = /^\d+$/.test(text) ? Number(text) * 1000 : Date.parse(text) - Date.now();
  return Number.isFinite(ms) ? Math.max(0, ms) : 0;
}

function failureOf(planned: PlannedCommand, answer: Answer | Error): Failure {
  const command = `orders/${planned.orderId}/${planned.command}`;
  if (answer instanceof Error) return { command, status: null, problem: answer.message };
  return { command, status: answer.status, problem: answer.body };
}
