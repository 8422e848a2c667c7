import type { LogFields } from "#kernel/log.ts";
import type { PoolOptions } from "#store/pool.ts";

import type { MaintenanceOptions } from "./maintenance.ts";

export type SubscriptionState =
  "starting" | "catching_up" | "live" | "paused" | "stopped" | "error" | "stalled";

/** What a worker says of one subscription. The database knows positions better than any process. */
export type SubscriptionReport = {
  readonly name: string;
  /** Whether this process holds the lease. */
  readonly held: boolean;
  readonly state: SubscriptionState;
  /** Events that failed since the start of the worker; failures of any kind in the last minute. */
  readonly eventsFailed: number;
  readonly errorsLastMinute: number;
  /** A code, never a message: messages can quote values. */
  readonly lastError: string | null;
};

export type WorkerOptions = {
  readonly pool: PoolOptions;
  readonly batchSize: number;
  readonly maintenance: MaintenanceOptions;
  readonly continueOnError: boolean;
};

/** From the main thread to the worker. */
export type ToWorker =
  | { readonly type: "start"; readonly options: WorkerOptions }
  /** The log has grown to this position: look now. */
  | { readonly type: "hint"; readonly position: number }
  /** Go on to the head for at most so long, and end. */
  | { readonly type: "drain"; readonly catchUpMs: number };

/** From the worker to the main thread. A worker that closes without `drained` has crashed. */
export type FromWorker =
  | { readonly type: "ready" }
  | { readonly type: "beat"; readonly subscriptions: readonly SubscriptionReport[] }
  | {
      readonly type: "log";
      readonly level: "debug" | "info" | "warn" | "error";
      readonly fields: LogFields;
      readonly message: string;
    }
  | { readonly type: "drained" };
