/** Orders for a measurement: the demo's plan of commands, sent through the command handler. */
import { createCommandHandler } from "#command/handle.ts";
import { createStates } from "#command/states.ts";
import type { AnyAggregate } from "#domain/decider.ts";
import { aggregates } from "#domain/registry.ts";
import { utcMicros } from "#kernel/clock.ts";
import { invariant } from "#kernel/errors.ts";
import { uuidv7 } from "#kernel/ids.ts";
import type { Logger } from "#kernel/log.ts";
import type { KeyTexts } from "#ops/config.ts";
import { inOrderPerCustomer } from "#ops/demo/in-order.ts";
import { readInvoices } from "#ops/demo/invoices.ts";
import { planMadeUp } from "#ops/demo/made-up.ts";
import { type PlannedCommand, planInvoices } from "#ops/demo/plan.ts";
import { openKeyring } from "#ops/open-keyring.ts";
import { generateKeys } from "#pii/keygen.ts";
import { createGroupCommit } from "#store/group-commit.ts";
import { openPool, type PoolOptions } from "#store/pool.ts";

/** Commands on their way at once: a few batches of the group commit. */
const CONCURRENCY = 1_024;
/** Made-up customers are forty; a year of a wholesaler has a hundred times as many. */
const CUSTOMERS_EACH = 100;
const HELD_STATES = 50_000;

const silent: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
};

/** Keys that are kept nowhere. */
export async function scratchKeys(): Promise<KeyTexts> {
  const keys = await generateKeys("bench");
  return {
    masterKeys: keys.PII_MASTER_KEYS,
    lookupKey: keys.PII_LOOKUP_KEY,
    indexKey: keys.PII_INDEX_KEY,
    auditSigningKey: keys.AUDIT_SIGNING_KEY,
  };
}

/** All commands of so many made-up orders. */
function planned(orders: number): readonly PlannedCommand[] {
  const { commands } = planMadeUp(orders, uuidv7(), Date.now());
  return commands.map((command): PlannedCommand => {
    const number = Number(command.orderId.split("-").at(-1));
    const customerId = `${command.customerId}-${number % CUSTOMERS_EACH}`;
    if (command.command !== "create") return { ...command, customerId };
    return { ...command, customerId, body: { ...command.body, customerId } };
  });
}

/** So many commands of made-up orders, each of which becomes an event; an order has two or three. */
export const madeUpCommands = (count: number): readonly PlannedCommand[] =>
  planned(Math.ceil(count / 2)).slice(0, count);

/** So many orders that are created: commands that do not wait for each other. */
export const madeUpOrders = (count: number): readonly PlannedCommand[] =>
  planned(count).filter(({ command }) => command === "create");

/** The commands of a file of invoices, all of them. Throws as `readInvoices`. */
export const invoiceCommands = async (file: string): Promise<readonly PlannedCommand[]> =>
  planInvoices(await readInvoices(file)).commands;

const ordersAggregate = (): AnyAggregate => {
  const found = aggregates.find(({ name }) => name === "orders");
  invariant(found !== undefined, "the registry has orders");
  return found;
};

export type OrderCommands = Awaited<ReturnType<typeof openOrderCommands>>;

/** The command handler over a pool of its own, as a service has it. */
export async function openOrderCommands(options: PoolOptions, keys: KeyTexts) {
  const pool = openPool(options);
  const aggregate = ordersAggregate();
  const keyring = await openKeyring(keys, pool);
  const groupCommit = createGroupCommit(pool);
  const meter = (): void => undefined;
  const kept = { mode: "manual", threshold: 100, heldMax: HELD_STATES } as const;
  const states = createStates({ ...kept, pool, meter, log: silent });
  const onAppended = (): void => undefined;
  const handle = createCommandHandler({ pool, groupCommit, keyring, states, onAppended });
  return {
    pool,
    /** Sends a command that must become an event. */
    send: async ({ orderId, command, body }: PlannedCommand): Promise<void> => {
      const outcome = await handle({
        aggregate,
        aggregateId: orderId,
        command,
        body: aggregate.commands[command]?.body.parse(body) as Record<string, unknown>,
        at: utcMicros(new Date().toISOString()),
        metadata: { requestId: uuidv7() },
      });
      invariant(outcome.kind === "accepted", `a command of the plan was ${outcome.kind}`);
    },
    close: async (): Promise<void> => {
      await groupCommit.drain();
      await pool.close(1_000);
    },
  };
}

/** Sends all of them, in order of each customer; `onSent` hears now and then how many were. */
export async function sendAll(
  { send }: OrderCommands,
  commands: readonly PlannedCommand[],
  onSent: (count: number) => void,
): Promise<void> {
  let sent = 0;
  await inOrderPerCustomer(commands, CONCURRENCY, async (command) => {
    await send(command);
    sent += 1;
    if (sent % 1_000 === 0) onSent(sent);
    return "continue";
  });
}
