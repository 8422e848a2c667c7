import { expect, test } from "bun:test";

import { z } from "zod";

import { pointerTo, schemaFaults } from "#http/faults.ts";
import { personal } from "#kernel/personal.ts";

const body = z.strictObject({
  customerId: z.string(),
  contact: personal(z.strictObject({ name: z.string(), tags: z.array(z.string()).optional() }), {
    subject: "customerId",
    label: "test.contact",
  }).optional(),
  lines: z.array(z.strictObject({ sku: z.string() })),
});

test("a pointer names declared fields, items and unknown fields outside of personal ones", () => {
  expect([
    pointerTo(body, []),
    pointerTo(body, ["lines", 3, "sku"]),
    pointerTo(body, ["lines", 3, "colour"]),
    pointerTo(body, ["other", "deep", 1]),
    pointerTo(body, ["contact", "tags", 2]),
  ]).toEqual(["", "/lines/3/sku", "/lines/3/colour", "/other/deep/1", "/contact/tags/2"]);
});

test("a pointer ends at the last declared field when an unknown one is in a personal field", () => {
  expect([
    pointerTo(body, ["contact", "ada@example.org"]),
    pointerTo(body, ["contact", "tags", "Ada"]),
    pointerTo(body, ["contact", "toString"]),
  ]).toEqual(["/contact", "/contact/tags", "/contact"]);
});

test("a pointer escapes what RFC 6901 reserves and holds whole characters", () => {
  expect([
    pointerTo(body, ["a~b/c"]),
    pointerTo(body, ["~1"]),
    pointerTo(body, [""]),
    pointerTo(body, ["\ud83d"]),
  ]).toEqual(["/a~0b~1c", "/~01", "/", "/\ufffd"]);
});

test("the schema's faults name unknown fields in pointers alone", () => {
  const parsed = body.safeParse({ lines: "x", contact: { name: "Ada", Ada: 1 }, oops: 1, more: 2 });
  if (parsed.success) throw new Error("the body fits");
  expect(schemaFaults(body, parsed.error)).toEqual([
    { pointer: "/customerId", message: "Invalid input: expected string, received undefined" },
    { pointer: "/contact", message: "has a field that is not known" },
    { pointer: "/lines", message: "Invalid input: expected array, received string" },
    { pointer: "/oops", message: "is not known" },
    { pointer: "/more", message: "is not known" },
  ]);
});
