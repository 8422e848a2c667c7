import type { Pool, Row } from "./pool.ts";
import { queries } from "./statements.ts";

/** Which documents to compare. */
export type ComparisonPage = {
  /** Subscriptions. */
  readonly left: string;
  readonly right: string;
  /** Where the page before ended; null for the first. */
  readonly afterKey: string | null;
  /** Documents of either that are read. */
  readonly pageSize: number;
  /** Looks at these and nothing else. */
  readonly keys?: readonly string[];
  /** Both have passed it since the keys were found missing; see the SQL function. */
  readonly agreedPosition?: number;
  /** Rows to show. */
  readonly shownMax: number;
};

/** A document that is not the same in both. */
export type Difference = {
  readonly key: string;
  readonly what: "different" | "onlyLeft" | "onlyRight";
  /** Names of top-level fields whose values differ; none where it is in one alone. */
  readonly fields: readonly string[];
};

/** What a page came to, as of one moment. */
export type Compared = {
  /** Positions of the last partition of each, and of its first. */
  readonly low: number;
  readonly high: number;
  readonly compared: number;
  readonly equal: number;
  readonly different: number;
  readonly onlyLeft: number;
  readonly onlyRight: number;
  /** An event that not all partitions of both have passed made it what it is. */
  readonly moving: number;
  /** Missing where it may have been removed by an event that the other has not come to. */
  readonly uncertainKeys: readonly string[];
  /** The first, ascending by key. */
  readonly shown: readonly Difference[];
  /** Null at the end. */
  readonly lastKey: string | null;
};

type ComparedRow = Row &
  Pick<Compared, "compared" | "equal" | "different" | "moving" | "shown"> & {
    readonly left_low: number;
    readonly left_high: number;
    readonly right_low: number;
    readonly right_high: number;
    readonly only_left: number;
    readonly only_right: number;
    readonly uncertain_keys: readonly string[];
    readonly last_key: string | null;
  };

/** Compares a page; undefined where one of the two keeps no documents, or not any more. */
export async function compareDocuments(
  pool: Pool,
  page: ComparisonPage,
): Promise<Compared | undefined> {
  const [row] = await pool.query<ComparedRow>(queries.compareDocuments, [
    page.left,
    page.right,
    page.afterKey,
    page.pageSize,
    page.keys === undefined ? null : JSON.stringify(page.keys),
    page.agreedPosition ?? null,
    page.shownMax,
  ]);
  if (row === undefined) return undefined;
  return {
    low: Math.min(row.left_low, row.right_low),
    high: Math.max(row.left_high, row.right_high),
    compared: row.compared,
    equal: row.equal,
    different: row.different,
    onlyLeft: row.only_left,
    onlyRight: row.only_right,
    moving: row.moving,
    uncertainKeys: row.uncertain_keys,
    shown: row.shown,
    lastKey: row.last_key,
  };
}
