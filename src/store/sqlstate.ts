import { VarveError, type ErrorCode } from "#kernel/errors.ts";

/** What one SQLSTATE means to us. The first prefix that fits wins. Source: Postgres, appendix A. */
const meanings: readonly (readonly [prefix: string, code: ErrorCode])[] = [
  ["VA001", "partition-missing"],
  ["VA004", "partition-archived"],
  ["VA006", "schema-behind"],
  ["VA007", "clock-ahead"],
  ["VA020", "lease-lost"],
  ["VA021", "archive-damaged"],
  ["VA", "database-refused"],
  ["08", "database-unavailable"],
  ["53", "database-unavailable"], // out of connections, disk or memory
  ["57014", "database-timeout"], // statement_timeout
  ["57P", "database-unavailable"], // shut down, crashed, starting
  ["25006", "database-unavailable"], // read-only: a standby, or a full disk at the provider
  ["55P03", "database-timeout"], // lock_timeout
  ["40", "database-timeout"], // deadlock, serialisation
  ["28", "database-unavailable"], // credentials being rotated look like this
  ["3D000", "database-unavailable"],
  ["22", "invalid-data"],
  ["23", "invalid-data"],
  ["54", "invalid-data"], // more than the server can hold in one value
];

/** Failures before the statement left this process: it certainly did not run. */
const unsent = new Set(["ECONNREFUSED", "ENOTFOUND", "ENOENT", "EAI_AGAIN", "CONNECT_TIMEOUT"]);

/** The server ended the session, at a moment that may lie after the commit. */
const sessionEnded = new Set(["57P01", "57P02", "08003", "08006"]);

const sqlStateForm = /^[0-9A-Z]{5}$/;

const textOf = (value: unknown, property: string): string | undefined => {
  if (typeof value !== "object" || value === null) return undefined;
  const found: unknown = Reflect.get(value, property);
  return typeof found === "string" ? found : undefined;
};

/**
 * A driver's or server's failure as a VarveError. `context.replyLost` is true where the statement
 * may have committed all the same. The server's own message is only in the cause: it can quote
 * values, so that nobody may log it.
 */
export function translate(error: unknown, statement: string): VarveError {
  if (error instanceof VarveError) return error;
  const state = textOf(error, "code") ?? "";
  if (textOf(error, "severity") !== undefined && sqlStateForm.test(state)) {
    const code = meanings.find(([prefix]) => state.startsWith(prefix))?.[1] ?? "database-refused";
    return new VarveError(
      code,
      `the database answered ${state}`,
      {
        sqlState: state,
        statement,
        constraint: textOf(error, "constraint_name"),
        partition: state === "VA004" ? textOf(error, "hint") : undefined,
        replyLost: sessionEnded.has(state),
      },
      error,
    );
  }
  return new VarveError(
    "database-unavailable",
    "the connection to the database failed",
    {
      reason: state === "" ? (textOf(error, "name") ?? "unknown") : state,
      statement,
      replyLost: !unsent.has(state),
    },
    error,
  );
}

/** Whether a failed statement may have committed: then the only way to know is to ask again. */
export const replyWasLost = (error: unknown): boolean =>
  error instanceof VarveError && error.context["replyLost"] === true;
