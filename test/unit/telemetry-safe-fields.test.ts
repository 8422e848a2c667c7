import { expect, test } from "bun:test";

import { Defect, VarveError } from "#kernel/errors.ts";
import { safeError, safeFields, safeMessage } from "#telemetry/safe-fields.ts";

const canary = "canary-7f3a";

/** An error as the Postgres driver makes it from what the server says. */
const serverError = (code: string, message: string): Error =>
  Object.assign(new Error(message), {
    name: "PostgresError",
    severity: "ERROR",
    code,
    detail: `Key (email)=(${canary}) already exists.`,
    where: `COPY events, line 1: "${canary}"`,
    query: `insert into t values ('${canary}')`,
    parameters: [canary],
    constraint_name: "streams_pkey",
  });

test("log fields keep what is neither personal nor secret", () => {
  const fields = {
    requestId: "r-1",
    position: 42,
    big: 2n ** 60n,
    done: true,
    nothing: null,
    at: new Date(0),
    list: [1, { type: "OrderCreated" }],
  };
  expect(safeFields(fields)).toEqual({
    requestId: "r-1",
    position: 42,
    big: "1152921504606846976",
    done: true,
    nothing: null,
    at: "1970-01-01T00:00:00.000Z",
    list: [1, { type: "OrderCreated" }],
  });
});

test.each([
  "authorization",
  "Authorization",
  "set-cookie",
  "cookie",
  "contact",
  "shippingAddress",
  "shipping_address",
  "email",
  "name",
  "phone",
  "body",
  "payload",
  "parameters",
  "query",
  "detail",
  "where",
])("log fields hide %s when it is there, at any depth", (name) => {
  const fields = { [name]: canary, request: { headers: [{ [name]: { inner: canary } }] } };
  expect(safeFields(fields)).toEqual({
    [name]: "[hidden]",
    request: { headers: [{ [name]: "[hidden]" }] },
  });
});

test("log fields stay small when a value is long, wide, deep, binary or endless", () => {
  const endless: Record<string, unknown> = {};
  endless["self"] = endless;
  const safe = safeFields({
    long: "x".repeat(5_000),
    wide: Array.from({ length: 500 }, () => 1),
    bytes: new Uint8Array(9),
    run: () => 1,
    endless,
  });
  expect(safe).toEqual({
    long: `${"x".repeat(2_000)}… (5000 characters)`,
    wide: Array.from({ length: 50 }, () => 1),
    bytes: "[bytes]",
    run: "[function]",
    endless: { self: { self: { self: { self: "[deep]" } } } },
  });
});

test("an error keeps code, context and causes when it is ours", () => {
  const cause = serverError("57P01", "terminating connection due to administrator command");
  const error = new VarveError(
    "database-unavailable",
    "the database went away",
    { attempt: 2 },
    cause,
  );
  expect(safeError(error)).toEqual({
    type: "VarveError",
    message: "the database went away",
    code: "database-unavailable",
    context: { attempt: 2 },
    stack: expect.arrayContaining([expect.stringContaining("telemetry-safe-fields.test.ts")]),
    cause: {
      type: "PostgresError",
      message: "terminating connection due to administrator command",
      code: "57P01",
      constraint: "streams_pkey",
      stack: expect.arrayContaining([expect.stringMatching(/^at /)]),
    },
  });
});

test.each(["22P02", "23505", "P0001"])(
  "an error of the server says its SQLSTATE alone when class %s may quote values",
  (code) => {
    const error = serverError(code, `invalid input syntax: "${canary}"`);
    expect(safeMessage(error)).toBe(`SQLSTATE ${code}`);
    expect(JSON.stringify(safeFields({ error }))).not.toContain(canary);
  },
);

test("an error leaves out what it quotes when an engine made it", () => {
  const thrown = ((): unknown => {
    try {
      return JSON.parse(`{"email": ${canary.replace("-", "")}}`);
    } catch (error) {
      return error;
    }
  })();
  expect(safeMessage(thrown)).toBe("JSON Parse error: Unexpected identifier …");
  expect(JSON.stringify(safeError(thrown))).not.toContain("canary");
});

test("an error keeps its message when it is a defect", () => {
  expect(safeMessage(new Defect('version "3" follows 5'))).toBe('version "3" follows 5');
});

test("a chain of causes ends after five errors when it is longer or circular", () => {
  const error = new Error("round");
  error.cause = error;
  const chain = JSON.stringify(safeError(error)).match(/"message":"round"/g);
  expect(chain).toHaveLength(5);
});

test("a thrown value that is no error is not repeated", () => {
  expect(safeError(canary)).toEqual({ type: "string", message: "a thrown string" });
});
