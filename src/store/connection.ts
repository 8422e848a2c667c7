/**
 * One session of the server, and one statement on it with a deadline.
 *
 * What it promises: a statement ends within its deadline and `CANCEL_GRACE_MS`, whatever the network
 * does. A session is opened by its first statement and never again: what was lost is thrown away.
 *
 * How it fails: as `translate` says; `database-timeout` where no answer came.
 *
 * What it does not do: run two statements at once.
 */
import type { Socket } from "node:net";

import postgres from "postgres";

import { sleep } from "#kernel/clock.ts";
import { Defect, VarveError } from "#kernel/errors.ts";

import { CONNECT_TIMEOUT_MS, createDialer, type Target } from "./dial.ts";
import type { Parameter, Row, Statement } from "./pool.ts";
import { isStatementsOwn, translate } from "./sqlstate.ts";

/** How long a cancelled statement may take to say so before its connection is dropped. */
const CANCEL_GRACE_MS = 500;

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

export type SessionOptions = Target & {
  readonly applicationName: string;
  /** Named prepared statements; off behind a pooler in transaction mode. */
  readonly prepare: boolean;
  /** Settings of the server for this session: none where a pooler hands its sessions round. */
  readonly settings: Readonly<Record<string, string | number>>;
};

export type Session = ReturnType<typeof openSession>;

/** Opens nothing yet: the first statement does. Throws as `createDialer`. */
export function openSession(options: SessionOptions) {
  const dialer = createDialer(options);
  let condition: "usable" | "spent" | "broken" = "usable";
  let socket: Socket | undefined;
  const isBroken = (): void => {
    condition = "broken";
  };
  // An option that is not in the driver's types.
  const dialling = {
    socket: async (): Promise<Socket> => {
      try {
        socket = await dialer.socket();
        return socket;
      } catch (error) {
        isBroken();
        throw error;
      }
    },
  };
  const sql = postgres(options.url, {
    max: 1,
    // Only the dialer knows the hosts and TLS; a driver that knew several would keep failures back.
    host: "dialled",
    ssl: false,
    ...dialling,
    onclose: isBroken,
    fetch_types: false,
    prepare: options.prepare,
    connect_timeout: CONNECT_TIMEOUT_MS / 1000,
    // Whoever holds the session decides when it has been idle or alive for long enough.
    idle_timeout: undefined,
    max_lifetime: null,
    onnotice: () => undefined,
    types,
    connection: {
      application_name: options.applicationName,
      TimeZone: "UTC",
      // A database may have a style of its own, which isoTime would not understand.
      DateStyle: "ISO",
      ...options.settings,
    },
  });
  return {
    sql,
    prepare: options.prepare,
    /** `spent` is to be closed in good order, `broken` will not answer any more. */
    condition: () => condition,
    isBroken,
    /** One more socket will be made, to the same host, for a request to cancel. */
    cancels: () => {
      if (condition === "usable") condition = "spent";
      dialer.again();
    },
    /** Lets a running statement end for at most `graceMs`; then nothing is left of the session. */
    close: async (graceMs: number): Promise<void> => {
      await sql.end({ timeout: graceMs / 1000 });
      socket?.destroy();
    },
  };
}

/** The driver notes the session of a statement when it writes it. */
const wasSent = (pending: object): boolean => Boolean(Reflect.get(pending, "state"));

/**
 * Asks the server to stop the statement. Not by the driver's own `cancel()`: that drops the promise
 * of its request, whose failure ends the process. The request may arrive after the statement's end
 * and hit the next one, so that there must be none on this session.
 */
function askToStop(session: Session, pending: object): void {
  const cancel: unknown = Reflect.get(pending, "canceller");
  if (typeof cancel !== "function") return;
  session.cancels();
  void Promise.resolve((cancel as (query: object) => unknown)(pending)).catch(() => undefined);
}

/**
 * The rows of one statement. A session that is not usable afterwards is to be closed. Throws what
 * `translate` makes of a failure, and `database-timeout` where the deadline passed and the server,
 * asked to stop, did not say so.
 */
export async function ask(
  session: Session,
  statement: Statement,
  parameters: readonly Parameter[],
  deadlineMs: number,
): Promise<readonly Row[]> {
  const { sql, prepare } = session;
  const pending = sql.unsafe<Row[]>(statement.text, [...parameters], { prepare });
  const reply = pending.then((rows): readonly Row[] => rows);
  const answered = new AbortController();
  const late = async (durationMs: number): Promise<undefined> => {
    await sleep(durationMs, answered.signal);
    return undefined;
  };
  try {
    let rows = await Promise.race([reply, late(deadlineMs)]);
    if (rows === undefined && wasSent(pending)) {
      askToStop(session, pending);
      rows = await Promise.race([reply, late(CANCEL_GRACE_MS)]);
    }
    if (rows !== undefined) return rows;
    const facts = { statement: statement.name, replyLost: wasSent(pending) };
    throw new VarveError("database-timeout", "the database did not answer in time", facts);
  } catch (error) {
    // Its end may be known only later, and somebody else would be handed it until then.
    if (!wasSent(pending) || !isStatementsOwn(error)) session.isBroken();
    throw translate(error, statement.name, wasSent(pending));
  } finally {
    answered.abort();
    // Whatever a given-up statement still says is no longer of interest.
    reply.catch(() => undefined);
  }
}
