import { expect, test } from "bun:test";

import { VarveError } from "#kernel/errors.ts";
import { withoutValues } from "#subscription/error-fields.ts";

const frame: unknown = expect.stringMatching(/^\s+at /);

test("nothing of an event is left when a view stumbles over it", () => {
  let error: unknown;
  try {
    JSON.parse("Canaryname wants out");
  } catch (caught) {
    error = caught;
  }
  const fields = withoutValues({ subscription: "orders", error });
  expect(JSON.stringify(fields)).not.toContain("Canary");
  expect(fields).toMatchObject({ subscription: "orders", kind: "SyntaxError" });
});

test("nothing of a message is left when one of its lines looks like a frame", () => {
  const fields = withoutValues({ error: new Error("no\n    at Canary (name)") });
  expect(JSON.stringify(fields)).not.toContain("Canary");
});

test("our own words and their context cross when the store fails", () => {
  const error = new VarveError("database-timeout", "no answer", { sqlState: "57014" }, "Canary");
  expect(withoutValues({ error })).toEqual({
    kind: "VarveError",
    said: "no answer",
    context: { sqlState: "57014" },
    frames: expect.arrayContaining([frame]) as unknown,
  });
});
