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
import type postgres from "postgres";

import { VarveError } from "#kernel/errors.ts";
import { limits } from "#kernel/limits.ts";

import { connect, runWithin, type Connection, type Reply } from "./connection.ts";
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
  /** More of what the server should set for the session. */
  readonly settings?: Readonly<Record<string, string | number>>;
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

/** After the server's own time-out there must be room for its error to arrive. */
const REPLY_GRACE_MS = 1_000;

/** The places of a pool: each holds one connection, and one caller at a time. */
function openPlaces(options: PoolOptions) {
  const idle: Connection[] = [];
  const busy = new Set<Connection>();
  const waiting: PromiseWithResolvers<Connection>[] = [];
  let closed = false;

  const occupy = (connection: Connection): Connection => {
    busy.add(connection);
    return connection;
  };

  const release = (connection: Connection): void => {
    busy.delete(connection);
    const next = waiting.shift();
    if (next === undefined) idle.push(connection);
    else next.resolve(occupy(connection));
  };

  /** Cuts the connection off and gives its place to a new one. */
  const replace = (connection: Connection): void => {
    void connection.end({ timeout: 0 }).catch(() => undefined);
    busy.delete(connection);
    if (!closed) release(connect(options));
  };

  const acquire = async (): Promise<Connection> => {
    if (closed) throw new VarveError("shutting-down", "the pool is closed");
    const free = idle.pop();
    if (free !== undefined) return occupy(free);
    if (busy.size < options.size) return occupy(connect(options));
    if (waiting.length >= limits.poolWaiters) {
      throw new VarveError("database-timeout", "too many calls wait for a connection");
    }
    const place = Promise.withResolvers<Connection>();
    waiting.push(place);
    const timer = setTimeout(() => {
      const index = waiting.indexOf(place);
      if (index >= 0) waiting.splice(index, 1);
      place.reject(new VarveError("database-timeout", "no connection was free in time"));
    }, options.acquireTimeoutMs);
    return place.promise.finally(() => clearTimeout(timer));
  };

  const close = async (graceMs: number): Promise<void> => {
    closed = true;
    for (const place of waiting.splice(0)) {
      place.reject(new VarveError("shutting-down", "the pool is closed"));
    }
    const all = [...idle.splice(0), ...busy];
    await Promise.all(all.map((connection) => connection.end({ timeout: graceMs / 1000 })));
  };

  return { acquire, release, replace, close };
}

/** Opens nothing yet: connections are made when calls need them. */
export function openPool(options: PoolOptions): Pool {
  const places = openPlaces(options);
  const { prepare, statementTimeoutMs } = options;
  return {
    query: async <Result extends Row>(
      statement: Statement,
      parameters: readonly Parameter[],
      deadlineMs = statementTimeoutMs + REPLY_GRACE_MS,
    ) => {
      const connection = await places.acquire();
      let reply: Reply;
      try {
        reply = await runWithin(connection, statement, parameters, { prepare, deadlineMs });
      } catch (error) {
        places.release(connection);
        throw translate(error, statement.name);
      }
      if (typeof reply === "string") {
        places.replace(connection);
        throw new VarveError("database-timeout", "the database did not answer in time", {
          statement: statement.name,
          replyLost: reply === "unanswered",
        });
      }
      places.release(connection);
      return reply as readonly Result[];
    },
    close: places.close,
  };
}
