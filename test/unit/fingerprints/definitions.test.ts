import { afterAll, beforeAll, describe, expect, test } from "bun:test";

import { aggregates } from "#domain/registry.ts";
import { Defect } from "#kernel/errors.ts";
import { viewFingerprints } from "#ops/fingerprints.ts";
import {
  changedViews,
  copyDomain,
  edit,
  type Fingerprints,
  fingerprintsOf,
  removeCopies,
} from "#test/support/domain-copy.ts";
import { loansBefore } from "#test/support/loans.ts";

import { type Case, changing, doneLater, harmless } from "./edits.ts";

let before: Fingerprints;

beforeAll(async () => {
  before = await fingerprintsOf(copyDomain());
});
afterAll(removeCopies);

/** The fingerprints of a copy with these edits. */
function afterEdits(edits: Case[1]): Promise<Fingerprints> {
  const tree = copyDomain();
  edit(tree, edits);
  return fingerprintsOf(tree);
}

describe("fingerprints of views", () => {
  test("fingerprints are 64 hex digits and all different when views are", () => {
    const digits = [...before.values()].filter((each) => /^[0-9a-f]{64}$/.test(each));
    expect([[...before.keys()].toSorted(), new Set(digits).size]).toEqual([
      ["customers@1", "lending@1", "loans@2", "orders@1", "sales@1"],
      5,
    ]);
  });

  test.each(changing)("fingerprints change when there is another %s", async (_, edits, views) => {
    expect(changedViews(before, await afterEdits(edits))).toEqual([...views]);
  });

  test.each(harmless)("fingerprints stay when there is another %s", async (_, edits, views) => {
    expect(changedViews(before, await afterEdits(edits))).toEqual([...views]);
  });

  test.each(doneLater)(
    "fingerprints change when there is another %s",
    async (_, one, other, views) => {
      expect(changedViews(await afterEdits(one), await afterEdits(other))).toEqual([...views]);
    },
  );

  test("fingerprints stay when the tree lies elsewhere and has another aggregate", async () => {
    const here = await viewFingerprints(aggregates);
    expect(changedViews(before, here)).toEqual(["lending@1", "loans@2"]);
  });

  test("fingerprints stay when they are made twenty times", async () => {
    const made = [];
    for (let turn = 0; turn < 20; turn += 1) made.push([...(await viewFingerprints(aggregates))]);
    expect(new Set(made.map((each) => JSON.stringify(each))).size).toBe(1);
  });

  test("fingerprint takes in the whole aggregate when no module exports the view", async () => {
    const inline = [`domain/orders/order.ts`, "salesView]", "{ ...salesView }]"] as const;
    const base = await afterEdits([inline]);
    expect(changedViews(before, base)).toEqual(["sales@1"]);
    const decision = ["domain/orders/order.ts", `!== "shipped"`, `=== "created"`] as const;
    expect(changedViews(base, await afterEdits([inline, decision]))).toEqual(["sales@1"]);
    const code = ["domain/orders/sales-view.ts", "revenue + amount", "revenue - amount"] as const;
    expect(changedViews(base, await afterEdits([inline, code]))).toEqual(["sales@1"]);
  });

  test("fingerprints are refused when the registry does not list the aggregate", async () => {
    expect(await viewFingerprints([loansBefore]).catch((error: unknown) => error)).toEqual(
      new Defect("the registry does not list the aggregate loans"),
    );
  });

  test("fingerprints are refused when two views share a name and a version", async () => {
    const edits = [["domain/orders/sales-view.ts", `"sales"`, `"orders"`]] as const;
    const refused = await afterEdits(edits).catch((error: unknown) => String(error));
    expect(refused).toContain("two views are called orders@1");
  });
});
