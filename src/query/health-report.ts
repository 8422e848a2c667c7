/** The bodies of the health routes. Names and thresholds are the ones operators know. */

export type HealthStatus = "healthy" | "degraded" | "unhealthy";

export type SubscriptionHealth = {
  readonly name: string;
  readonly partition: number;
  readonly status: HealthStatus;
  readonly state: "starting" | "catching_up" | "live" | "paused" | "stopped" | "error" | "stalled";
  readonly position: number;
  readonly head: number;
  readonly lagEvents: number;
  readonly lagSeconds: number;
  readonly eventsProcessed: number;
  readonly eventsFailed: number;
  readonly errorRatePerMinute: number;
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
