import postgres from "postgres";

import { sleep } from "#kernel/clock.ts";
import { Defect } from "#kernel/errors.ts";

import type { Parameter, PoolOptions, Row, Statement } from "./pool.ts";

const CONNECT_TIMEOUT_S = 5;
/** How long a cancelled statement may take to say so before its connection is dropped. */
const CANCEL_GRACE_MS = 500;
const LIFETIME_S = 30 * 60;

const safeInteger = (text: string): number => {
  const value = Number(text);
  if (!Number.isSafeInteger(value)) throw new Defect("an int8 is past 2^53");
  return value;
};

/** `2026-11-23 12:49:04.8+00` as `2026-11-23T12:49:04.800000Z`. */
const isoTime = (text: string): string => {
  const [seconds = "", fraction = ""] = text.replace(/\+00$/, "").split(".");
  return `${seconds.replace(" ", "T")}.${fraction.padEnd(6, "0")}Z`;
};

const types = {
  bigint: { to: 20, from: [20], serialize: String, parse: safeInteger },
  date: { to: 1184, from: [1184], serialize: String, parse: isoTime },
};

export type Connection = ReturnType<typeof connect>;

/** One connection that opens itself when it is first used, and again when it was lost. */
export function connect(options: PoolOptions) {
  return postgres(options.url, {
    max: 1,
    fetch_types: false,
    prepare: options.prepare,
    connect_timeout: CONNECT_TIMEOUT_S,
    max_lifetime: LIFETIME_S,
    backoff: () => 0,
    onnotice: () => undefined,
    types,
    ...(options.ssl === undefined ? {} : { ssl: options.ssl }),
    connection: {
      application_name: options.applicationName,
      TimeZone: "UTC",
      statement_timeout: options.statementTimeoutMs,
      ...options.settings,
    },
  });
}

/**
 * Asks the server to stop the statement; false where it was never sent, for its connection is still
 * being made. Not by the driver's own `cancel()`: that drops the promise of its request, whose
 * failure ends the process, and it leaves a connection that is being made waiting for ever.
 */
function askToStop(pending: object): boolean {
  const cancel: unknown = Reflect.get(pending, "canceller");
  if (Reflect.get(pending, "active") !== true || typeof cancel !== "function") return false;
  void Promise.resolve((cancel as (query: object) => unknown)(pending)).catch(() => undefined);
  return true;
}

/** What came within the deadline. After anything but rows the connection is not to be used again. */
export type Reply = readonly Row[] | "unsent" | "unanswered";

/**
 * The rows; `unsent` where there was no connection to send on; `unanswered` where the statement was
 * asked to stop and did not say so. Throws what the driver throws.
 */
export async function runWithin(
  connection: Connection,
  statement: Statement,
  parameters: readonly Parameter[],
  options: { readonly prepare: boolean; readonly deadlineMs: number },
): Promise<Reply> {
  const pending = connection.unsafe<Row[]>(statement.text, [...parameters], {
    prepare: options.prepare,
  });
  const reply = pending.then((rows): readonly Row[] => rows);
  const answered = new AbortController();
  const late = async (durationMs: number): Promise<undefined> => {
    await sleep(durationMs, answered.signal);
    return undefined;
  };
  try {
    const first = await Promise.race([reply, late(options.deadlineMs)]);
    if (first !== undefined) return first;
    if (!askToStop(pending)) return "unsent";
    return (await Promise.race([reply, late(CANCEL_GRACE_MS)])) ?? "unanswered";
  } finally {
    answered.abort();
    // Whatever a given-up statement still says is no longer of interest.
    reply.catch(() => undefined);
  }
}
