import type { LogFields } from "#kernel/log.ts";
import type { PoolOptions } from "#store/pool.ts";

import type { TargetConfig } from "./delivery/target.ts";
import type { Failure } from "./failure.ts";
import type { KeyringTexts } from "./keyring.ts";
import type { MaintenanceOptions } from "./maintenance.ts";
import type { Suspect } from "./marks.ts";
import type { SettingDefaults } from "./settings.ts";

export type SubscriptionState =
  "starting" | "catching_up" | "live" | "paused" | "stopped" | "error" | "stalled";

/** What a worker says of a partition that it holds. The database knows positions better. */
export type SubscriptionReport = {
  /** Of the subscription. */
  readonly name: string;
  readonly partition: number;
  readonly epoch: number;
  readonly state: SubscriptionState;
  /** It stopped in front of an event that it must not pass. */
  readonly halted: boolean;
  /** Events that failed since it was taken over; failures of any kind in the last minute. */
  readonly eventsFailed: number;
  readonly errorsLastMinute: number;
  /** A code, never a message: messages can quote values. */
  readonly lastError: string | null;
  readonly eventsPerSecond: number;
  /** Events that were read and have not taken effect. */
  readonly inFlight: number;
};

export type WorkerOptions = {
  readonly pool: PoolOptions;
  readonly subscriptions: SettingDefaults;
  /** Of each view's definition, by `name@version`. */
  readonly fingerprints: ReadonlyMap<string, string>;
  /** The environment variables that reactors name. */
  readonly variables: Readonly<Record<string, string>>;
  /** Where publications go, and what every event names as its source. */
  readonly delivery: { readonly source: string; readonly targets: readonly TargetConfig[] };
  /** Opens what publications open. */
  readonly keys: KeyringTexts;
  readonly maintenance: MaintenanceOptions;
  /** Memory that outlives the worker: what it is working on. */
  readonly marks: SharedArrayBuffer;
  /** What the worker before was working on when it ended. */
  readonly suspects: readonly Suspect[];
};

/** From the main thread to the worker. */
export type ToWorker =
  | { readonly type: "start"; readonly options: WorkerOptions }
  /** The log has grown to this position: look now. */
  | { readonly type: "hint"; readonly position: number }
  /** Go on to the head, bring what is in hand into effect, and end within so long. */
  | { readonly type: "drain"; readonly withinMs: number };

/** From the worker to the main thread. A worker that closes without `drained` has crashed. */
export type FromWorker =
  | { readonly type: "ready" }
  /** It can still make progress. */
  | { readonly type: "beat" }
  /** Checkpoints have moved: whoever waits for a position may look now. */
  | { readonly type: "moved" }
  | { readonly type: "failure"; readonly failure: Failure }
  | {
      readonly type: "log";
      readonly level: "debug" | "info" | "warn" | "error";
      readonly fields: LogFields;
      readonly message: string;
    }
  | { readonly type: "drained" };
