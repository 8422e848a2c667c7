import type { HolderReport } from "./health.ts";
import type { Pool, Row } from "./pool.ts";
import { queries } from "./statements.ts";

/** One partition of a subscription, by the database. */
export type PartitionEntry = {
  readonly partition: number;
  readonly position: number;
  readonly head: number;
  readonly lagEvents: number;
  readonly eventsProcessed: number;
  readonly epoch: number;
  /** Whether any instance holds it. The three below are null where none does. */
  readonly leased: boolean;
  readonly owner: string | null;
  readonly report: HolderReport | null;
  readonly reportedAt: string | null;
  /** Those that wait, for whatever. */
  readonly deadLetters: number;
  readonly waitingForPerson: number;
};

/** A view's version, or a reactor. */
export type SubscriptionEntry = {
  readonly name: string;
  readonly kind: "view" | "reactor";
  /** These four of a view alone. */
  readonly view?: string;
  readonly role?: "serving" | "building" | "previous";
  readonly version?: number;
  /** When its documents were begun; not known of those that an earlier release made. */
  readonly madeAt?: string;
  readonly paused: boolean;
  readonly pauseReason: string | null;
  /** While the number of partitions changes: how many there will be. */
  readonly wantedPartitions: number | null;
  readonly partitions: readonly PartitionEntry[];
};

/** As of one moment. */
export type SubscriptionList = {
  /** The last position of the log. */
  readonly head: number;
  readonly items: readonly SubscriptionEntry[];
};

/** All subscriptions by name; or the one of that name, and all versions of the view of that name. */
export async function listSubscriptions(pool: Pool, name?: string): Promise<SubscriptionList> {
  const [row] = await pool.query<Row & SubscriptionList>(queries.listSubscriptions, [name ?? null]);
  return { head: row?.head ?? 0, items: row?.items ?? [] };
}
