/** Structured fields of one log line. Never a personal value, never a secret. */
export type LogFields = Readonly<Record<string, unknown>>;

/** What rooms need of a logger; `telemetry/` has the real one. */
export type Logger = {
  readonly debug: (fields: LogFields, message: string) => void;
  readonly info: (fields: LogFields, message: string) => void;
  readonly warn: (fields: LogFields, message: string) => void;
  readonly error: (fields: LogFields, message: string) => void;
};
