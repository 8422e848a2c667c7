import { expect, test } from "bun:test";

import { Glob } from "bun";

const source = new URL("../../../src/", import.meta.url).pathname;

/** The files of the product that import a file of the room, by their path. */
async function importersOf(name: string): Promise<string[]> {
  const pattern = new RegExp(`import (?!type)[^;]*["'](?:\\./|#pii/)${name}["']`);
  const found: string[] = [];
  for await (const path of new Glob("**/*.ts").scan(source)) {
    if (pattern.test(await Bun.file(source + path).text())) found.push(path);
  }
  return found.toSorted();
}

test("a nonce is chosen in two files alone when anything is sealed or wrapped", async () => {
  expect(await importersOf("block.ts")).toEqual(["pii/envelope.ts"]);
  expect(await importersOf("key-block.ts")).toEqual(["pii/wrap.ts"]);
  expect(await importersOf("aead.ts")).toContain("pii/block.ts");
});
