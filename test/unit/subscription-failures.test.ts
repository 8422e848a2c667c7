import { describe, expect, test } from "bun:test";

import { Defect, VarveError } from "#kernel/errors.ts";
import { translate } from "#store/sqlstate.ts";
import { classify, type Classified } from "#subscription/failure.ts";

/** As a statement fails in the store: with a state of the server's. */
const answered = (code: string): VarveError =>
  translate({ severity: code.startsWith("57P") ? "FATAL" : "ERROR", code }, "statement", true);

const withCode = (code: string, cause?: unknown): Error =>
  Object.assign(new Error("no connection", { cause }), { code });

const named = (name: string): Error => Object.assign(new Error("late"), { name });

describe("a failure is classified", () => {
  test.each([
    ["08006", "infrastructure", "high"],
    ["53300", "infrastructure", "high"],
    ["57P01", "infrastructure", "high"],
    ["25006", "infrastructure", "high"],
    ["57014", "infrastructure", "medium"],
    ["55P03", "infrastructure", "medium"],
    ["42501", "infrastructure", "critical"],
    ["42P01", "infrastructure", "critical"],
    ["40001", "transient", "medium"],
    ["40P01", "transient", "medium"],
    ["22P02", "permanent", "high"],
    ["23505", "permanent", "high"],
    ["54000", "permanent", "high"],
  ] as const)("when the server says %s", (state, category, severity) => {
    expect(classify(answered(state))).toMatchObject({ category, severity });
  });

  test.each([
    ["dependency-unavailable", "infrastructure", "medium"],
    ["service-unavailable", "infrastructure", "medium"],
    ["master-key-unknown", "infrastructure", "critical"],
    ["handler-timeout", "transient", "medium"],
    ["delivery-failed", "application", "medium"],
    ["delivery-refused", "permanent", "high"],
    ["upcast-failed", "permanent", "high"],
    ["schema-behind", "permanent", "high"],
    ["handler-crashed", "permanent", "critical"],
    ["event-not-wanted", "permanent", "low"],
  ] as const)("when its code is %s", (code, category, severity) => {
    const error = new VarveError(code, "for a test");
    expect(classify(error, "view-failed")).toEqual({ code, category, severity });
  });

  const own = { code: "view-failed", category: "application", severity: "medium" } as const;
  const away = {
    code: "dependency-unavailable",
    category: "infrastructure",
    severity: "medium",
  } as const;
  const late = { code: "handler-timeout", category: "transient", severity: "medium" } as const;

  test.each<[string, unknown, Classified]>([
    ["an error of the code's own", new TypeError("no"), own],
    ["no error at all", "thrown text", own],
    ["undefined", undefined, own],
    ["an unknown code", withCode("EACCES"), own],
    ["a connection that is refused", withCode("ECONNREFUSED"), away],
    [
      "one that is refused within",
      new Error("fetch failed", { cause: withCode("ENOTFOUND") }),
      away,
    ],
    ["a time-out", named("TimeoutError"), late],
    ["an abort", named("AbortError"), late],
    [
      "a defect",
      new Defect("impossible"),
      { code: "defect", category: "permanent", severity: "critical" },
    ],
  ])("when what is thrown is %s", (_, thrown, classified) => {
    expect(classify(thrown, "view-failed")).toEqual(classified);
  });
});
