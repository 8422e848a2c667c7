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
  ["08", "database-unavailable"], // the network, or a pooler whose server is gone
  ["53", "database-unavailable"], // out of connections, disk or memory
  ["57014", "database-timeout"], // statement_timeout
  ["57P", "database-unavailable"], // shut down, crashed, starting
  ["25006", "database-unavailable"], // read-only: a standby, or a full disk at the provider
  ["55P03", "database-timeout"], // lock_timeout
  ["40", "database-timeout"], // deadlock, serialisation
  ["28", "database-unavailable"], // credentials being rotated look like this
  ["3D000", "database-unavailable"],
  ["58", "database-unavailable"], // the server cannot read or write its files
  ["22", "invalid-data"],
  ["23", "invalid-data"],
  ["54", "invalid-data"], // more than the server can hold in one value
];

const sqlStateForm = /^[0-9A-Z]{5}$/;

const textOf = (value: unknown, property: string): string | undefined => {
  if (typeof value !== "object" || value === null) return undefined;
  const found: unknown = Reflect.get(value, property);
  return typeof found === "string" ? found : undefined;
};

/** How bad the server says it is. A pooler's own errors have it in one of two fields only. */
const severityOf = (error: unknown): string | undefined =>
  textOf(error, "severity") ?? textOf(error, "severity_local");

/**
 * Whether the server refused the statement and nothing more: then nothing of it was committed, and
 * the session lives on. A pooler tells of a lost server (08) as if it were the statement's own.
 */
export const isStatementsOwn = (error: unknown): boolean =>
  severityOf(error) === "ERROR" && textOf(error, "code")?.startsWith("08") === false;

/** A schema, table or function that is not there: nobody has migrated, or not far enough. */
const absent: readonly string[] = ["3F000", "42P01", "42883"];

/** What the operator is told of a state, beside it. */
function hintOf(state: string, sent: boolean): string {
  if (absent.includes(state)) return ": `varve migrate status` says what the schema lacks";
  // A pooler answers with this one to whatever it does not do.
  const poolers = state === "08P01" && !sent;
  return poolers
    ? ": a pooler in front of it needs DB_PREPARE=false, and migrations DIRECT_DATABASE_URL"
    : "";
}

/**
 * A driver's or server's failure as a VarveError. `sent` says whether the statement had left this
 * process; `context.replyLost` is true where it may have committed all the same. The server's own
 * message is only in the cause: it can quote values, so that nobody may log it.
 */
export function translate(error: unknown, statement: string, sent: boolean): VarveError {
  if (error instanceof VarveError) return error;
  const state = textOf(error, "code") ?? "";
  if (severityOf(error) !== undefined && sqlStateForm.test(state)) {
    const code = meanings.find(([prefix]) => state.startsWith(prefix))?.[1] ?? "database-refused";
    return new VarveError(
      code,
      `the database answered ${state}${hintOf(state, sent)}`,
      {
        sqlState: state,
        statement,
        constraint: textOf(error, "constraint_name"),
        partition: state === "VA004" ? textOf(error, "hint") : undefined,
        replyLost: sent && !isStatementsOwn(error),
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
      replyLost: sent,
    },
    error,
  );
}

/** The SQLSTATE that a translated failure came with, if the server has spoken. */
export const sqlStateOf = (error: unknown): unknown =>
  error instanceof VarveError ? error.context["sqlState"] : undefined;

/** Whether a failed statement may have committed: then the only way to know is to ask again. */
export const replyWasLost = (error: unknown): boolean =>
  error instanceof VarveError && error.context["replyLost"] === true;
