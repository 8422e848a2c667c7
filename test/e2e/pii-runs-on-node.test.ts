import { expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { knownAnswers, promised, sameEverywhere } from "#test/unit/pii/known-answers.ts";

const node = Bun.which("node");
if (node === null) {
  process.stderr.write("skipped: there is no node on the PATH to run the cryptography on\n");
}

const answersPath = new URL("../unit/pii/known-answers.ts", import.meta.url).pathname;

async function run(command: readonly string[]): Promise<string> {
  const child = Bun.spawn([...command], { stdout: "pipe", stderr: "pipe" });
  const [out, err] = await Promise.all([child.stdout.text(), child.stderr.text()]);
  if ((await child.exited) !== 0) throw new Error(`${command.join(" ")}\n${err}`);
  return out;
}

test.skipIf(node === null)("personal data gives the same bytes when it runs on Node", async () => {
  const folder = await mkdtemp(join(tmpdir(), "varve-pii-"));
  try {
    const entry = join(folder, "entry.ts");
    await Bun.write(
      entry,
      `import { knownAnswers, sameEverywhere } from ${JSON.stringify(answersPath)};
      const found = [await knownAnswers(), await sameEverywhere(), typeof Bun];
      console.log(JSON.stringify(found));`,
    );
    const bundle = join(folder, "bundle.mjs");
    await run([process.execPath, "build", "--target=node", entry, "--outfile", bundle]);
    const found: unknown = JSON.parse(await run([node ?? "node", bundle]));
    expect(found).toEqual([promised, await sameEverywhere(), "undefined"]);
    expect(await knownAnswers()).toEqual(promised);
  } finally {
    await rm(folder, { recursive: true });
  }
});
