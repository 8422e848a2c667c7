import { cpSync, rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";

import { freshDatabase } from "#test/database.ts";
import { command, createOrder } from "#test/support/caller.ts";
import { edit } from "#test/support/domain-copy.ts";
import { withSql } from "#test/support/invariants.ts";
import { type Answering, startReceiver } from "#test/support/receiver.ts";
import { createKey, endServices, startService } from "#test/support/service.ts";

import { copyTree } from "./tree-copy.ts";

/** How long a worker may be silent in the copy, instead of ten seconds. */
const silenceMs = 2_500;

/** A copy of this tree whose orders have code that does harm to its worker. */
export function copyHarm(): string {
  const tree = copyTree();
  symlinkSync(join(process.cwd(), "node_modules"), join(tree, "node_modules"));
  cpSync("test/e2e/fixture/harm/harm.ts", join(tree, "src/domain/orders/harm.ts"));
  const order = "domain/orders/order.ts";
  edit(tree, [
    [order, "import { orderEvents", `import * as harm from "./harm.ts";\nimport { orderEvents`],
    [order, "salesView],", "salesView, harm.harmView],"],
    [
      order,
      "publications:",
      "reactors: [harm.harmReactor, harm.stubbornReactor],\n  publications:",
    ],
    ["kernel/limits.ts", "beatSilenceMs: 10_000", `beatSilenceMs: ${silenceMs}`],
  ]);
  return tree;
}

/** One call of the reactor, as its receiver has it. */
export type HarmCall = {
  readonly aggregateId: string;
  readonly version: number;
  readonly id: string;
};

export type Harm = Awaited<ReturnType<typeof openHarm>>;

/** The copy with a database, a receiver and a key of its own. */
export async function openHarm(answer?: Answering) {
  const tree = copyHarm();
  const database = await freshDatabase();
  const receiver = startReceiver(answer);
  const options = {
    databaseUrl: database.url,
    command: [process.execPath, join(tree, "src/main.ts")],
    environment: { HARM_URL: receiver.url },
  };
  const key = await createKey(options);
  const calls = (): readonly HarmCall[] =>
    receiver.received.map(({ body }) => JSON.parse(body) as HarmCall);
  return {
    databaseUrl: database.url,
    calls,
    start: async (environment: Readonly<Record<string, string>> = {}) => {
      const service = await startService({
        ...options,
        environment: { ...options.environment, ...environment },
      });
      return { ...service, target: { url: service.url, key } };
    },
    /** Versions of the order that the receiver has, each once, in the order in which they came. */
    versionsOf: (order: string): readonly number[] => [
      ...new Set(calls().flatMap((call) => (call.aggregateId === order ? [call.version] : []))),
    ],
    letters: () =>
      withSql(database.url, async (sql) => {
        const rows = await sql`
          select subscription, key, error_code, state, due_at is null as waits
            from varve.dead_letters order by id`;
        return rows.map(({ subscription, key: of, error_code: code, state, waits }) =>
          [subscription, of, code, state, waits === true ? "for a person" : "for its time"].join(
            " ",
          ),
        );
      }),
    query: <Row extends object>(text: string) =>
      withSql(database.url, async (sql) => [...(await sql.unsafe<Row[]>(text))]),
    close: async (): Promise<void> => {
      await endServices();
      await receiver.stop();
      await database.drop();
      rmSync(tree, { recursive: true });
    },
  };
}

type Target = Parameters<typeof createOrder>[0];

/** Creates an order and ships it under the tracking number. */
export async function shipOrder(target: Target, id: string, trackingNumber: string) {
  await createOrder(target, id);
  const shipped = await command(target, `${id}/ship`, { carrier: "DHL", trackingNumber });
  if (shipped.status !== 200) throw new Error(`${shipped.status}: ${await shipped.text()}`);
}
