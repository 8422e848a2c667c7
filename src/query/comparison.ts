/**
 * The comparison of what a view serves with another version of it: document by document, in pages.
 *
 * What it promises: a page is compared as of one moment, and memory does not grow with the view. A
 * document counts as different only where no event can be the reason that one of the two has not
 * come to; where one can, it is counted as moving. Keys and names of fields leave it, no values.
 *
 * What it relies on: positions that both versions pass in the same order.
 *
 * How it fails: VarveError of the store.
 *
 * What it does not do: wait until both stand still. A document that is missing in one alone may have
 * been removed by an event that the other has not come to: it is looked at again once the other
 * has, and left as moving where that takes too long.
 */
import { monotonicMs, sleep } from "#kernel/clock.ts";
import {
  compareDocuments,
  type Compared,
  type ComparisonPage,
  type Difference,
} from "#store/comparison.ts";
import type { Pool } from "#store/pool.ts";

/** Documents of either side in one statement: a megabyte or so, done within moments. */
const PAGE = 500;
/** All waits of one comparison for a version that lags; one that is built follows in moments. */
const WAIT_MS = 10_000;
const LOOK_MS = 100;

export type Comparison = Pick<
  Compared,
  "compared" | "equal" | "different" | "onlyLeft" | "onlyRight" | "moving"
> & {
  /** The first of those that differ. */
  readonly shown: readonly Difference[];
};

export type ComparisonOptions = {
  /** Subscriptions. */
  readonly left: string;
  readonly right: string;
  readonly shownMax: number;
  /** Ends it after the page that it is at. */
  readonly signal: AbortSignal;
  /** After each page but the last. */
  readonly onPage: (compared: number) => void;
};

const none: Comparison = {
  compared: 0,
  equal: 0,
  different: 0,
  onlyLeft: 0,
  onlyRight: 0,
  moving: 0,
  shown: [],
};

const byKey = (left: Difference, right: Difference): number => (left.key < right.key ? -1 : 1);

const added = (left: Comparison, right: Comparison, shownMax: number): Comparison => ({
  compared: left.compared + right.compared,
  equal: left.equal + right.equal,
  different: left.different + right.different,
  onlyLeft: left.onlyLeft + right.onlyLeft,
  onlyRight: left.onlyRight + right.onlyRight,
  moving: left.moving + right.moving,
  shown: [...left.shown, ...right.shown].slice(0, shownMax),
});

/** What the second look at the keys came to, once both have passed all that one had then. */
async function lookAgain(
  pool: Pool,
  page: ComparisonPage & { readonly keys: readonly string[]; readonly agreedPosition: number },
  mayWait: () => boolean,
): Promise<Comparison | undefined> {
  for (;;) {
    const again = await compareDocuments(pool, page);
    if (again === undefined) return undefined;
    if (again.low >= page.agreedPosition) {
      return { ...again, moving: again.moving + again.uncertainKeys.length };
    }
    if (!mayWait()) return { ...none, compared: page.keys.length, moving: page.keys.length };
    await sleep(LOOK_MS);
  }
}

/** Compares them; undefined where one of the two is not there, or not any more. */
export async function compareVersions(
  pool: Pool,
  { left, right, shownMax, signal, onPage }: ComparisonOptions,
): Promise<Comparison | undefined> {
  let total = none;
  let waitedMs = 0;
  let afterKey: string | null = null;
  do {
    const asked = { left, right, pageSize: PAGE, shownMax: shownMax - total.shown.length };
    const page: Compared | undefined = await compareDocuments(pool, { ...asked, afterKey });
    if (page === undefined) return undefined;
    const keys = page.uncertainKeys;
    let sum: Comparison = { ...page, compared: page.compared - keys.length };
    if (keys.length > 0) {
      const startedMs = monotonicMs();
      const mayWait = (): boolean =>
        !signal.aborted && waitedMs + monotonicMs() - startedMs < WAIT_MS;
      const second = { ...asked, afterKey, keys, agreedPosition: page.high, pageSize: 2 * PAGE };
      const again = await lookAgain(pool, second, mayWait);
      if (again === undefined) return undefined;
      waitedMs += monotonicMs() - startedMs;
      sum = added(sum, again, Infinity);
    }
    const sorted = { ...sum, shown: sum.shown.toSorted(byKey) };
    total = added(total, sorted, shownMax);
    afterKey = page.lastKey;
    if (afterKey !== null) onPage(total.compared);
  } while (afterKey !== null && !signal.aborted);
  return total;
}
