/**
 * The places of a pool: each holds one session, and one caller at a time.
 *
 * What it promises: never more sessions than `size`, those included that are being closed. Who waits
 * is served in order, for at most `acquireTimeoutMs`. A session is closed when it is broken, spent,
 * old or long idle, and never while somebody uses it.
 */
import { monotonicMs } from "#kernel/clock.ts";
import { VarveError } from "#kernel/errors.ts";
import { limits } from "#kernel/limits.ts";

import type { Session } from "./connection.ts";

export type PlacesOptions = {
  /** Connections, opened on demand. */
  readonly size: number;
  /** The longest a call waits for a free connection. */
  readonly acquireTimeoutMs: number;
  /** A connection that nobody has used for this long is closed. */
  readonly idleMs?: number;
  /** A connection is closed between four fifths of this age and all of it: not all at once. */
  readonly lifetimeMs?: number;
};

/** How long a session may take to end in good order before its socket is destroyed. */
const CLOSE_GRACE_MS = 1_000;
/** Longer than the pauses of a service that is used at all, shorter than middle boxes forget. */
const IDLE_MS = 60_000;
/** What a session collects (plans, catalogue caches) is let go, and a moved server is found. */
const LIFETIME_MS = 30 * 60_000;

type Place = { readonly session: Session; readonly expiresAtMs: number; usedAtMs: number };

/** Those who wait for a place, first come first served. */
function openLine(acquireTimeoutMs: number) {
  const line: PromiseWithResolvers<Place>[] = [];
  return {
    next: () => line.shift(),
    wait: (): Promise<Place> => {
      if (line.length >= limits.poolWaiters) {
        throw new VarveError("database-timeout", "too many calls wait for a connection");
      }
      const turn = Promise.withResolvers<Place>();
      line.push(turn);
      const timer = setTimeout(() => {
        line.splice(line.indexOf(turn), 1);
        turn.reject(new VarveError("database-timeout", "no connection was free in time"));
      }, acquireTimeoutMs);
      return turn.promise.finally(() => clearTimeout(timer));
    },
    refuse: (): void => {
      for (const turn of line.splice(0)) turn.reject(poolClosed());
    },
  };
}

const poolClosed = (): VarveError => new VarveError("shutting-down", "the pool is closed");

const isFit = ({ session, expiresAtMs }: Place): boolean =>
  session.condition() === "usable" && monotonicMs() < expiresAtMs;

/** The sessions that nobody uses. What is broken, old or long idle goes to `discard`. */
function openShelf(idleMs: number, discard: (place: Place) => void) {
  const idle: Place[] = [];
  const sweep = (): void => {
    const unusedSince = monotonicMs() - idleMs;
    for (const place of idle.splice(0)) {
      if (isFit(place) && place.usedAtMs > unusedSince) idle.push(place);
      else discard(place);
    }
  };
  const sweeping = setInterval(sweep, idleMs / 4);
  sweeping.unref();
  return {
    put: (place: Place): void => {
      place.usedAtMs = monotonicMs();
      idle.push(place);
    },
    /** The one used last, so that those that are not needed grow old. */
    take: (): Place | undefined => {
      for (let place = idle.pop(); place !== undefined; place = idle.pop()) {
        if (isFit(place)) return place;
        discard(place);
      }
      return undefined;
    },
    clear: (): readonly Place[] => {
      clearInterval(sweeping);
      return idle.splice(0);
    },
  };
}

/** Opens nothing yet. */
export function openPlaces(options: PlacesOptions, openSession: () => Session) {
  const { size, idleMs = IDLE_MS, lifetimeMs = LIFETIME_MS } = options;
  /** In use, or being closed. */
  const taken = new Set<Place>();
  const line = openLine(options.acquireTimeoutMs);
  let closed = false;

  const take = (place: Place): Place => {
    taken.add(place);
    return place;
  };

  const open = (): Place => {
    const now = monotonicMs();
    const expiresAtMs = now + lifetimeMs * (1 - Math.random() / 5);
    return take({ session: openSession(), expiresAtMs, usedAtMs: now });
  };

  const discard = async (place: Place): Promise<void> => {
    take(place);
    const graceMs = place.session.condition() === "broken" ? 0 : CLOSE_GRACE_MS;
    await place.session.close(graceMs).catch(() => undefined);
    taken.delete(place);
    if (!closed) line.next()?.resolve(open());
  };
  const shelf = openShelf(idleMs, (place) => void discard(place));

  const release = (place: Place): void => {
    if (closed || !isFit(place)) return void discard(place);
    const next = line.next();
    if (next !== undefined) return next.resolve(place);
    taken.delete(place);
    shelf.put(place);
  };

  return {
    /** Throws `database-timeout` where no place is free in time, `shutting-down` after `close`. */
    acquire: async (): Promise<Place> => {
      if (closed) throw poolClosed();
      const free = shelf.take();
      if (free !== undefined) return take(free);
      return taken.size < size ? open() : line.wait();
    },
    release,
    close: async (graceMs: number): Promise<void> => {
      closed = true;
      line.refuse();
      const all = [...shelf.clear(), ...taken];
      await Promise.all(all.map(({ session }) => session.close(graceMs)));
    },
  };
}
