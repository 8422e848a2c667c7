/**
 * How each subscription is run: what it declares, else what the environment says.
 *
 * Unknown fields, unknown words and numbers out of bounds are refused at the start, all at once.
 */
import { type SubscriptionSettings, subscriptionSettings } from "#domain/subscription.ts";
import { VarveError } from "#kernel/errors.ts";

/** What the environment says for all of them. */
export type SettingDefaults = {
  readonly batchSize: number;
  readonly maxInFlight: number;
  readonly checkpointStrategy: "every_event" | "every_batch" | "periodic";
  readonly processingTimeoutMs: number;
  readonly backpressureThreshold: number;
  readonly continueOnError: boolean;
};

type Optional = "startFrom" | "aggregateTypes";

/** Every setting of one subscription, decided. */
export type Settings = Required<Omit<SubscriptionSettings, Optional>> & {
  readonly startFrom: NonNullable<SubscriptionSettings["startFrom"]>;
  readonly aggregateTypes: readonly string[] | undefined;
};

/** What neither a subscription nor the environment says: retries that end within seconds, calls at
 * once that few receivers mind, and a checkpoint a second. */
const constants = {
  startFrom: "beginning",
  checkpointIntervalMs: 1_000,
  retries: 3,
  retryDelayMs: 200,
  retryDelayMaxMs: 30_000,
  concurrency: 8,
  aggregateTypes: undefined,
  partitions: 1,
} as const;

/** Whoever declares settings. */
export type Declared = { readonly name: string; readonly settings?: unknown };

function faultsOf({ name, settings = {} }: Declared, defaults: SettingDefaults): readonly string[] {
  const parsed = subscriptionSettings.safeParse(settings);
  if (!parsed.success) {
    return parsed.error.issues.map(({ path, message }) =>
      [name, ...path.map(String), message].join(" "),
    );
  }
  const { batchSize, maxInFlight } = { ...defaults, ...parsed.data };
  const { startFrom } = parsed.data;
  // Which position comes first after it, nobody knows yet.
  const isAhead =
    typeof startFrom === "object" && "time" in startFrom && Date.parse(startFrom.time) > Date.now();
  return [
    ...(batchSize > maxInFlight ? [`${name} maxInFlight must be at least batchSize`] : []),
    ...(isAhead ? [`${name} startFrom time must not be in the future`] : []),
  ];
}

/** Throws `configuration-invalid`, whose message lists every fault of all of them. */
export function assertSettings(declared: readonly Declared[], defaults: SettingDefaults): void {
  const faults = declared.flatMap((one) => faultsOf(one, defaults));
  if (faults.length === 0) return;
  const text = ["the settings of subscriptions are invalid:", ...faults].join("\n  ");
  throw new VarveError("configuration-invalid", text, { faults: faults.length });
}

/** The settings in force. They were checked at the start. */
export const settingsOf = (
  { settings }: { readonly settings?: SubscriptionSettings },
  defaults: SettingDefaults,
): Settings => ({ ...constants, ...defaults, ...settings });

/** The delay before the attempt after so many: doubling, bounded, with jitter. */
export function retryDelayMs(
  { retryDelayMs: first, retryDelayMaxMs: most }: Settings,
  attempts: number,
): number {
  return Math.min(first * 2 ** Math.min(attempts - 1, 30), most) * (0.5 + Math.random() / 2);
}
