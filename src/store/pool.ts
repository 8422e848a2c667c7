/**
 * The pool: a bounded number of connections, one statement at a time on each.
 *
 * What it promises: every call ends. Waiting for a connection, connecting and running have each a
 * deadline; a connection that does not answer is dropped and replaced, so that a black-holed socket
 * costs one place for a moment and not for ever. No statement waits for a lock longer than a third
 * of its time. The server never sees more than `size` sessions: the place of one that is closed is
 * free when the server has let it go. A failure says whether the statement may have committed
 * (`replyWasLost`).
 *
 * What it relies on: one statement is one transaction. There is deliberately no `begin` here: the
 * driver's interactive transactions can be torn when the backend dies between two statements, and a
 * connection with a hundred queued statements can swallow a commit. A pool of single connections
 * with nothing queued on any of them has neither fault, and it gives the missing acquire time-out.
 * Connections that are old or were idle for long are closed by the pool, between two statements:
 * by the driver's timers, a call could meet a connection that is just being closed.
 *
 * How it fails: `database-unavailable` (no connection, or it broke), `database-timeout` (no free
 * connection, or no answer in time).
 *
 * What it does not do: LISTEN, session state, retries of writes. It works through a pooler in
 * transaction mode if `prepare` is off: then no setting is asked of the session, whose next user may
 * be anybody, and the deadline with a request to cancel is what ends a statement.
 */
import { ask, openSession, type SessionOptions } from "./connection.ts";
import { openPlaces, type PlacesOptions } from "./places.ts";

export type PoolOptions = Omit<SessionOptions, "settings"> &
  PlacesOptions & {
    /** The longest a statement may run in the server. */
    readonly statementTimeoutMs: number;
    /** More that the server should set; only for sessions past any pooler. */
    readonly settings?: SessionOptions["settings"];
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
/** The least that a lock time-out can be: 0 would mean none. */
const lockTimeoutMs = (statementTimeoutMs: number): number =>
  Math.max(1, Math.floor(statementTimeoutMs / 3));

/**
 * The server's own limits of a session. The keep-alives let it find within a minute that a host is
 * gone that had no time to say so, and with it the locks and the place of its session.
 */
function settingsOf(options: PoolOptions): SessionOptions["settings"] {
  const { prepare, settings, statementTimeoutMs } = options;
  if (!prepare && settings === undefined) return {};
  return {
    statement_timeout: statementTimeoutMs,
    lock_timeout: lockTimeoutMs(statementTimeoutMs),
    tcp_keepalives_idle: 30,
    tcp_keepalives_interval: 10,
    tcp_keepalives_count: 3,
    ...settings,
  };
}

/** Opens nothing yet: connections are made when calls need them. */
export function openPool(options: PoolOptions): Pool {
  const settings = settingsOf(options);
  const places = openPlaces(options, () => openSession({ ...options, settings }));
  const { prepare, statementTimeoutMs } = options;
  const defaultMs = statementTimeoutMs + (prepare ? REPLY_GRACE_MS : 0);
  return {
    query: async <Result extends Row>(
      statement: Statement,
      parameters: readonly Parameter[],
      deadlineMs = defaultMs,
    ) => {
      const place = await places.acquire();
      try {
        const rows = await ask(place.session, statement, parameters, deadlineMs);
        return rows as readonly Result[];
      } finally {
        places.release(place);
      }
    },
    close: places.close,
  };
}
