import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";

import { afterAll, afterEach, beforeAll, expect, test } from "bun:test";

import { listPartitions, type Partition } from "#store/partitions/register.ts";
import { archiveFolder, settleThreeMonths } from "#test/support/archives.ts";
import { endServices, runVerb } from "#test/support/service.ts";
import { closeStore, openStore, type TestStore } from "#test/support/store.ts";

let store: TestStore;
let folder: string;
let first: string;
let second: string;
beforeAll(async () => {
  store = await openStore();
  folder = archiveFolder();
  [first, second] = await settleThreeMonths(store.sql);
});
afterEach(endServices);
afterAll(async () => {
  await closeStore(store);
  rmSync(folder, { recursive: true, force: true });
});

const run = async (...words: readonly string[]) => {
  const { code, stdout, stderr } = await runVerb(["partitions", ...words], {
    databaseUrl: store.database.url,
  });
  return { code, stdout, stderr };
};

/** The invariants of the log that do not hold. */
const broken = async (): Promise<readonly string[]> => {
  const { stdout } = await runVerb(["verify"], { databaseUrl: store.database.url });
  expect(stdout).toContain("ok   positions");
  return [...stdout.matchAll(/^FAIL (\S+)/gm)].map(([, name = ""]) => name);
};

/** The server of tests does not wait for the disk, and the months of the test have a hole. */
const ofTheTest = ["durability", "partition-bounds"];

test("month goes and comes back by the command line when a person says so", async () => {
  const held = await run("hold", first, "--reason", " case 7 ", "--json");
  expect([held.code, held.stdout]).toEqual([
    0,
    `${JSON.stringify({ name: first, holdReason: "case 7" })}\n`,
  ]);
  const unmade = join(folder, "not", "made");
  const kept = await run("archive", first, "--to", unmade, "--json");
  expect([kept.code, kept.stdout, JSON.parse(kept.stderr)]).toEqual([
    1,
    "",
    {
      error: {
        code: "partition-kept",
        message: `${first} is kept: it is held: case 7`,
        exitCode: 1,
      },
    },
  ]);
  expect(existsSync(join(folder, "not"))).toBe(false);
  expect((await run("release", first)).stdout).toBe("released\n");
  expect((await run("release", first)).stdout).toBe(`${first} was not held\n`);
  const gone = await run("archive", first, "--to", folder, "--events-per-file", "10", "--json");
  expect([gone.code, JSON.parse(gone.stdout)]).toEqual([
    0,
    expect.objectContaining({ name: first, state: "archived", archivePlace: join(folder, first) }),
  ]);
  expect(gone.stderr).toContain(`${first}: verify 25 of 25 events\n`);
  expect(await run("archive", first, "--to", unmade)).toEqual({
    code: 0,
    stdout: `${first} was archived before, to ${join(folder, first)}: nothing was moved\n`,
    stderr: "",
  });
  const listed = JSON.parse((await run("list", "--json")).stdout) as readonly Partition[];
  expect(listed).toEqual([...(await listPartitions(store.pool))]);
  expect((await run("list")).stdout).toMatch(
    new RegExp(
      `^${first}  .*  1\\.\\.25  25 events  0 KiB  archived  closed  archive ${folder}`,
      "m",
    ),
  );
  expect(await broken()).toEqual(ofTheTest);
  const back = await run("restore", first, "--from", folder);
  expect([back.code, back.stdout]).toEqual([0, `${first} is attached: 25 events\n`]);
  expect(await broken()).toEqual(ofTheTest);
}, 30_000);

test("months ahead are made once when they are asked for", async () => {
  const made = JSON.parse((await run("ensure", "--months", "5", "--json")).stdout) as {
    made: readonly string[];
  };
  expect(made.made.length).toBe(2);
  expect(await run("ensure", "--months", "5")).toEqual({
    code: 0,
    stdout: "nothing to make\n",
    stderr: "",
  });
}, 30_000);

test("nothing is done when the command line is not understood", async () => {
  const before = await listPartitions(store.pool);
  const codes: unknown[] = [];
  for (const words of [
    ["archive"],
    ["archive", second],
    ["archive", second, "--to", folder, "--wait", "soon"],
    ["archive", second, "--to", folder, "--events-per-file", "0"],
    ["hold", second],
    ["hold", second, "--reason", " "],
    ["ensure", "--months", "-1"],
  ]) {
    codes.push((await run(...words)).code);
  }
  expect(codes).toEqual([2, 2, 2, 2, 2, 2, 2]);
  expect(await listPartitions(store.pool)).toEqual(before);
}, 60_000);

test("every verb says where names are listed when there is no such partition", async () => {
  const before = await listPartitions(store.pool);
  const nobody = "x'; drop table varve.events; --";
  for (const words of [
    ["hold", nobody, "--reason", "case 7"],
    ["release", nobody],
    ["archive", nobody, "--to", folder],
    ["restore", nobody],
  ]) {
    const { code, stdout, stderr } = await run(...words, "--json");
    const message = `there is no partition ${nobody}: \`partitions list\` names them (events_YYYY_MM)`;
    expect([words, code, stdout, JSON.parse(stderr)]).toEqual([
      words,
      2,
      "",
      { error: { code: "usage", message, exitCode: 2 } },
    ]);
  }
  expect(await listPartitions(store.pool)).toEqual(before);
}, 30_000);
