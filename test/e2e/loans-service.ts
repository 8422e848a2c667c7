import { cpSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { freshDatabase } from "#test/database.ts";

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
  const start = (args: readonly string[]) =>
    run(tree, [process.execPath, ...args], {
      DATABASE_URL: database.url,
      PORT: "0",
      LOG_LEVEL: "debug",
    });
  const service = start(["src/main.ts", "serve"]);
  const [, base = ""] = await service.seen(/ready on (http:\/\/localhost:\d+)/);

  /** Runs bun in the copy to its end. */
  const bun = async (...args: readonly string[]) => {
    const running = start(args);
    return { code: await running.ended(), output: running.output() };
  };
  return {
    tree,
    /** What every file of the copy was before loans came. */
    before,
    databaseUrl: database.url,
    /** What the service has written so far. */
    output: service.output,
    bun,
    /** A new key with these scopes, separated by commas. */
    keyWith: async (scopes: string): Promise<string> => {
      const words = ["keys", "create", "--name", "a test's", "--scopes", scopes, "--json"];
      const { output } = await bun("src/main.ts", ...words);
      return (JSON.parse(output) as { key: string }).key;
    },
    read: (path: string, key: string): Promise<Answer> =>
      answerOf(fetch(`${base}/queries/${path}`, { headers: { Authorization: `Bearer ${key}` } })),
    command: (path: string, body: unknown, key: string): Promise<Answer> => {
      const headers = { Authorization: `Bearer ${key}`, "Content-Type": "application/json" };
      const request = { method: "POST", headers, body: JSON.stringify(body) };
      return answerOf(fetch(`${base}/commands/${path}`, request));
    },
    close: async (): Promise<void> => {
      service.child.kill("SIGKILL");
      await service.ended();
      await database.drop();
      rmSync(tree, { recursive: true });
    },
  };
}
