import { cpSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { freshDatabase } from "#test/database.ts";
import { startReceiver } from "#test/support/receiver.ts";
import { createKey, endServices, startService } from "#test/support/service.ts";

import { copyTree, run, textsOf } from "./tree-copy.ts";

const fixture = "test/e2e/fixture";

/** Follows the README: the folder, its name in the registry, its tests. */
function addLoans(tree: string): void {
  cpSync(join(fixture, "loans"), join(tree, "src/domain/loans"), { recursive: true });
  const registry = join(tree, "src/domain/registry.ts");
  const lines = readFileSync(registry, "utf8").replace("[orders]", "[loans, orders]");
  writeFileSync(registry, `import { loans } from "./loans/loan.ts";\n${lines}`);
  // The tests go where those of orders are, from where the folder is no neighbour.
  const tests = readFileSync(join(fixture, "loans.test.ts"), "utf8");
  mkdirSync(join(tree, "test/unit/loans"));
  writeFileSync(
    join(tree, "test/unit/loans/loans.test.ts"),
    tests.replaceAll(`"./loans/`, `"#domain/loans/`),
  );
}

export type Answer = {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Readonly<Record<string, unknown>>;
};

async function answerOf(request: Promise<Response>): Promise<Answer> {
  const response = await request;
  const body = (await response.json()) as Answer["body"];
  return { status: response.status, headers: response.headers, body };
}

export type Copy = Awaited<ReturnType<typeof serveWithLoans>>;

/** A copy of this tree with loans in it, served on a database of its own as `main.ts` does it. */
export async function serveWithLoans() {
  const tree = copyTree();
  const before = textsOf(tree);
  symlinkSync(join(process.cwd(), "node_modules"), join(tree, "node_modules"));
  addLoans(tree);
  const database = await freshDatabase();
  const shelf = startReceiver();
  const options = {
    databaseUrl: database.url,
    command: [process.execPath, join(tree, "src/main.ts")],
    environment: { LOG_LEVEL: "debug", SHELF_URL: shelf.url },
  };
  const service = await startService(options);
  return {
    tree,
    /** Whom the reactor calls. */
    shelf,
    /** What every file of the copy was before loans came. */
    before,
    databaseUrl: database.url,
    /** What the service has written so far. */
    output: service.output,
    /** Runs bun in the copy to its end. */
    bun: async (...args: readonly string[]) => {
      const running = run(tree, [process.execPath, ...args]);
      return { code: await running.ended(), output: running.output() };
    },
    /** A new key with these scopes, separated by commas. */
    keyWith: (scopes: string): Promise<string> => createKey(options, scopes),
    read: (path: string, key: string): Promise<Answer> =>
      answerOf(
        fetch(`${service.url}/queries/${path}`, { headers: { Authorization: `Bearer ${key}` } }),
      ),
    command: (path: string, body: unknown, key: string): Promise<Answer> => {
      const headers = { Authorization: `Bearer ${key}`, "Content-Type": "application/json" };
      const request = { method: "POST", headers, body: JSON.stringify(body) };
      return answerOf(fetch(`${service.url}/commands/${path}`, request));
    },
    close: async (): Promise<void> => {
      await endServices();
      await shelf.stop();
      await database.drop();
      rmSync(tree, { recursive: true });
    },
  };
}
