import { readFileSync } from "node:fs";

import { expect, test } from "bun:test";

import { archiveCheck } from "#ops/doctor/archive-check.ts";
import { schemaCheck, schemaChecks } from "#ops/doctor/schema-checks.ts";
import { serverChecks } from "#ops/doctor/server-checks.ts";
import { invariants } from "#store/invariants.ts";

import { tableBelow } from "./readme.ts";

const runbook = readFileSync("docs/runbook.md", "utf8");

/** The names that the first cells of the table below the heading explain. */
const explained = (heading: string): readonly string[] =>
  tableBelow(runbook, heading).flatMap(([names = ""]) =>
    names.split(", ").map((name) => name.replaceAll("`", "")),
  );

const names = (all: readonly { readonly name: string }[]) => all.map(({ name }) => name);

test("the runbook says what to do about every check of the doctor, and of no other", () => {
  const asked = [...serverChecks, schemaCheck, ...schemaChecks, archiveCheck];
  // The two without which there is nobody to ask.
  const wanted = ["configuration", "database", ...names(asked)];
  expect(explained("What the doctor says").toSorted()).toEqual(wanted.toSorted());
});

test("the runbook says what to do about every invariant, and of no other", () => {
  const wanted = ["migrations", ...names(invariants)];
  expect(explained("What verify finds").toSorted()).toEqual(wanted.toSorted());
});
