/**
 * The pool: a bounded number of connections, one statement at a time on each.
 *
 * What it promises: every call ends. Waiting for a connection, connecting and running have each a
 * deadline; a connection that does not answer is dropped and replaced, so that a black-holed socket
 * costs one place for a moment and not for ever. A failure says whether the statement may have
 * committed (`replyWasLost`).
 *
 * What it relies on: one statement is one transaction. There is deliberately no `begin` here: the
 * driver's interactive transactions can be torn when the backend dies between two statements, and a
 * connection with a hundred queued statements can swallow a commit. A pool of single connections
 * with nothing queued on any of them has neither fault, and it gives the missing acquire time-out.
 *
 * How it fails: `database-unavailable` (no connection, or it broke), `database-timeout` (no free
 * connection, or no answer in time).
 *
 * What it does not do: LISTEN, session state, retries of writes. It works through a pooler in
 * transaction mode if `prepare` is off.
 */
import postgres from "postgres";

import { sleep } from "#kernel/clock.ts";
import { Defect, VarveError } from "#kernel/errors.ts";
import { limits } from "#kernel/limits.ts";

import { translate } from "./sqlstate.ts";

export type PoolOptions = {
  readonly url: string;
  /** Connections, opened on demand. */
  readonly size: number;
  readonly applicationName: string;
  /** The longest a statement may run in the server. */
  readonly statementTimeoutMs: number;
  /** The longest a call waits for a free connection. */
  readonly acquireTimeoutMs: number;
  /** Named prepared statements; off behind a pooler in transaction mode. */
  readonly prepare: boolean;
  readonly ssl?: postgres.Options<Record<string, never>>["ssl"];
};

export type Row = Readonly<Record<string, unknown>>;
export type Parameter = string | number | boolean | Uint8Array | null;

export type Statement = { readonly name: string; readonly text: string };

export type Pool = {
  /** Runs one statement. int8 comes as a safe integer, timestamptz as ISO 8601 text in UTC. */
  readonly query: <Result extends Row>(
    statement: Statement,
    parameters: readonly Parameter[],
    deadlineMs?: number,
  ) => Promise<readonly Result[]>;
  /** Refuses new calls, lets running ones end for at most `graceMs`, then cuts them off. */
  readonly close: (graceMs: number) => Promise<void>;
};

const CONNECT_TIMEOUT_S = 5;
/** After the server's own time-out there must be room for its error to arrive. */
const REPLY_GRACE_MS = 1_000;
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

/** One connection that opens itself when it is first used. */
function connect(options: PoolOptions) {
  return postgres(options.url, {
    max: 1,
    fetch_types: false,
    prepare: options.prepare,
    connect_timeout: CONNECT_TIMEOUT_S,
    max_lifetime: LIFETIME_S,
    backoff: () => 0,
    onnotice: () => {},
    types,
    ...(options.ssl === undefined ? {} : { ssl: options.ssl }),
    connection: {
      application_name: options.applicationName,
      TimeZone: "UTC",
      statement_timeout: options.statementTimeoutMs,
    },
  });
}

type Connection = ReturnType<typeof connect>;

/** Opens nothing yet: connections are made when calls need them. */
export function openPool(options: PoolOptions): Pool {
  const idle: Connection[] = [];
  const busy = new Set<Connection>();
  const waiting: PromiseWithResolvers<Connection>[] = [];
  let closed = false;

  const hand = (connection: Connection): void => {
    busy.delete(connection);
    const next = waiting.shift();
    if (next === undefined) idle.push(connection);
    else {
      busy.add(connection);
      next.resolve(connection);
    }
  };

  const drop = (connection: Connection): void => {
    void connection.end({ timeout: 0 }).catch(() => {});
    if (!closed) hand(connect(options));
    busy.delete(connection);
  };

  const acquire = async (): Promise<Connection> => {
    if (closed) throw new VarveError("shutting-down", "the pool is closed");
    const free =
      idle.pop() ??
      (busy.size < options.size && waiting.length === 0 ? connect(options) : undefined);
    if (free !== undefined) {
      busy.add(free);
      return free;
    }
    if (waiting.length >= limits.poolWaiters) {
      throw new VarveError("database-timeout", "too many calls wait for a connection");
    }
    const place = Promise.withResolvers<Connection>();
    waiting.push(place);
    const timer = setTimeout(() => {
      const index = waiting.indexOf(place);
      if (index < 0) return;
      waiting.splice(index, 1);
      place.reject(new VarveError("database-timeout", "no connection was free in time"));
    }, options.acquireTimeoutMs);
    return place.promise.finally(() => clearTimeout(timer));
  };

  /** The rows, or undefined where nothing came in time and the connection must go. */
  const run = async (
    connection: Connection,
    statement: Statement,
    parameters: readonly Parameter[],
    deadlineMs: number,
  ): Promise<readonly Row[] | undefined> => {
    const pending = connection.unsafe<Row[]>(statement.text, [...parameters], {
      prepare: options.prepare,
    });
    const reply = pending.then((rows) => rows as readonly Row[]);
    const timer = new AbortController();
    const late = sleep(deadlineMs, timer.signal).then(() => undefined);
    try {
      const first = await Promise.race([reply, late]);
      if (first !== undefined) return first;
      pending.cancel();
      return await Promise.race([
        reply,
        sleep(CANCEL_GRACE_MS, timer.signal).then(() => undefined),
      ]);
    } finally {
      timer.abort();
      reply.catch(() => {});
    }
  };

  return {
    query: async <Result extends Row>(
      statement: Statement,
      parameters: readonly Parameter[],
      deadlineMs = options.statementTimeoutMs + REPLY_GRACE_MS,
    ) => {
      const connection = await acquire();
      try {
        const rows = await run(connection, statement, parameters, deadlineMs);
        if (rows !== undefined) {
          hand(connection);
          return rows as readonly Result[];
        }
      } catch (error) {
        hand(connection);
        throw translate(error, statement.name);
      }
      drop(connection);
      throw new VarveError("database-timeout", "the database did not answer in time", {
        statement: statement.name,
        replyLost: true,
      });
    },
    close: async (graceMs) => {
      closed = true;
      for (const place of waiting.splice(0)) {
        place.reject(new VarveError("shutting-down", "the pool is closed"));
      }
      const all = [...idle.splice(0), ...busy];
      await Promise.all(all.map((connection) => connection.end({ timeout: graceMs / 1000 })));
    },
  };
}
