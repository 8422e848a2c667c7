/** Structured fields of one log line. Never a personal value, never a secret. */
export type LogFields = Readonly<Record<string, unknown>>;

/** Counts or records; labels come from closed sets. `telemetry/metrics.ts` knows the names. */
export type Meter<Name extends string> = (name: Name, value: number, label?: string) => void;

/** What rooms need of a logger; `telemetry/` has the real one. */
export type Logger = Readonly<
  Record<"debug" | "info" | "warn" | "error", (fields: LogFields, message: string) => void>
>;
