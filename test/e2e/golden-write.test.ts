// `bun run golden` in a copy of this tree, as whoever changes an event runs it.
import { readFileSync, rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";

import { afterAll, beforeAll, expect, test } from "bun:test";

import { goldenFolder, readGolden } from "#test/support/golden.ts";

import { copyTree } from "./tree-copy.ts";

let tree = "";
beforeAll(() => {
  tree = copyTree();
  symlinkSync(join(process.cwd(), "node_modules"), join(tree, "node_modules"));
});
afterAll(() => rmSync(tree, { recursive: true }));

/** How the verb ends with that on stdin. */
function golden(type: readonly string[], stdin: string) {
  const { exitCode, stdout, stderr } = Bun.spawnSync(
    [process.execPath, "test/support/golden-write.ts", ...type],
    { cwd: tree, stdin: Buffer.from(stdin) },
  );
  return { code: exitCode, says: `${stdout.toString()}${stderr.toString()}` };
}

const kept = [...readGolden()];

test("golden writes each file byte for byte as it is kept when it is not there", () => {
  expect(kept).not.toEqual([]);
  for (const [name, { stored }] of kept) {
    const path = join(goldenFolder, name);
    rmSync(join(tree, path));
    const written = golden([stored.type], JSON.stringify(stored.payload));
    expect(written).toEqual({ code: 0, says: `${path}\n` });
    expect(readFileSync(join(tree, path), "utf8")).toBe(readFileSync(path, "utf8"));
  }
});

test("golden says that a file stays when it is there", () => {
  const [[name, { stored }]] = kept as [(typeof kept)[0]];
  const says = `${join(goldenFolder, name)} is there and stays as it is\n`;
  expect(golden([stored.type], JSON.stringify(stored.payload))).toEqual({ code: 1, says });
});

test("golden names the event types that there are when nobody declares the given one", () => {
  const types = kept.map(([, { stored }]) => stored.type).join(", ");
  const says = `no aggregate declares Nope; there are ${types}\n`;
  expect(golden(["Nope"], "{}")).toEqual({ code: 2, says });
});

test("golden names each field that does not fit when a payload is refused", () => {
  const { code, says } = golden(["OrderShipped"], `{"carrier":7,"colour":"red"}`);
  expect(code).toBe(1);
  expect(says).toContain("this is no payload of OrderShipped version 1:\n");
  for (const field of ["carrier", "trackingNumber", "colour"]) expect(says).toContain(field);
});

test("golden says what it wants when the type or the JSON is missing", () => {
  const usage = "bun run golden <event type> < payload.json\n";
  expect(golden([], "{}")).toEqual({ code: 2, says: `usage: ${usage}` });
  expect(golden(["OrderShipped"], "")).toEqual({
    code: 1,
    says: `there is no JSON on stdin: ${usage}`,
  });
});
