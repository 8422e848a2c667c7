/** The bodies of the health routes. Names and thresholds are the ones operators know. */

export type HealthStatus = "healthy" | "degraded" | "unhealthy";

/** The worst of them; healthy where there are none. */
export const worst = (statuses: readonly HealthStatus[]): HealthStatus => {
  if (statuses.includes("unhealthy")) return "unhealthy";
  return statuses.includes("degraded") ? "degraded" : "healthy";
};

export type SubscriptionHealth = {
  readonly name: string;
  readonly partition: number;
  readonly kind: "view" | "reactor";
  /** Which version of the view it keeps; null of a reactor. */
  readonly role: "serving" | "building" | "previous" | null;
  readonly status: HealthStatus;
  readonly state: "starting" | "catching_up" | "live" | "paused" | "stopped" | "error" | "stalled";
  readonly paused: boolean;
  /** What was given for it. */
  readonly pauseReason?: string;
  readonly position: number;
  readonly head: number;
  readonly lagEvents: number;
  readonly lagSeconds: number;
  readonly eventsProcessed: number;
  readonly eventsFailed: number;
  readonly errorRatePerMinute: number;
  readonly eventsPerSecond: number;
  /** Until it is at the head, of one that catches up or is built; null where nobody knows. */
  readonly secondsLeft: number | null;
  readonly deadLetters: number;
  readonly lastProgressAt: string | null;
  /** A code, never a message. */
  readonly lastError: string | null;
};

export type HealthReport = {
  readonly status: HealthStatus;
  readonly running: boolean;
  readonly subscriptionCount: number;
  readonly healthyCount: number;
  readonly degradedCount: number;
  readonly unhealthyCount: number;
  readonly totalEventsProcessed: number;
  readonly totalEventsFailed: number;
  readonly totalLagEvents: number;
  readonly uptimeSeconds: number;
  readonly timestamp: string;
  readonly database: Readonly<Record<string, unknown>>;
  readonly partitions: Readonly<Record<string, unknown>>;
  readonly subscriptions: readonly SubscriptionHealth[];
};

export type ReadinessReport = {
  readonly ready: boolean;
  readonly reason: string;
  readonly details: Readonly<Record<string, unknown>>;
  readonly timestamp: string;
};

export type LivenessReport = {
  readonly alive: boolean;
  readonly reason: string;
  readonly details: Readonly<Record<string, unknown>>;
  readonly timestamp: string;
};
