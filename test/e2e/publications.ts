import { freshDatabase } from "#test/database.ts";
import { command, createOrder } from "#test/support/caller.ts";
import { withSql } from "#test/support/invariants.ts";
import { createKey, endServices, startService } from "#test/support/service.ts";

/** The one secret of the tests' webhooks. */
export const secret = `whsec_${new Uint8Array(32).fill(7).toBase64()}`;

/** What health says of the publication of orders. */
export type PublicationHealth = {
  readonly state: string;
  readonly status: string;
  readonly lagEvents: number;
  readonly errorRatePerMinute: number;
  readonly lastError: string | null;
  readonly deadLetters: number;
};

export type Publishing = Awaited<ReturnType<typeof startPublishing>>;

/** The service, with the address to which its orders are published. */
export async function startPublishing(url: string) {
  const database = await freshDatabase();
  const isWebhook = url.startsWith("http");
  const options = {
    databaseUrl: database.url,
    environment: {
      DELIVERY_TARGETS: `order-events=${url}`,
      ...(isWebhook && { DELIVERY_SECRETS: `order-events:${secret}` }),
    },
  };
  const key = await createKey(options);
  const service = await startService(options);
  const target = { url: service.url, key };
  return {
    service,
    target,
    /** Ids of the log's events in order. */
    eventIds: () =>
      withSql(database.url, async (sql) => {
        const rows = await sql<{ id: string }[]>`
          select event_id as id from varve.events order by position`;
        return rows.map(({ id }) => id);
      }),
    letters: () =>
      withSql(database.url, async (sql) => {
        const rows = await sql`
          select concat_ws(' ', key, position, error_code, state, attempts,
              case when due_at is null then 'waits' end) as letter
            from varve.dead_letters order by position`;
        return rows.map(({ letter }) => String(letter));
      }),
    sql: (text: string) => withSql(database.url, async (sql) => [...(await sql.unsafe(text))]),
    health: async (): Promise<PublicationHealth | undefined> => {
      const answer = await fetch(`${service.url}/health`);
      const { subscriptions } = (await answer.json()) as {
        subscriptions: readonly (PublicationHealth & { readonly name: string })[];
      };
      return subscriptions.find(({ name }) => name === "order-events");
    },
    close: async (): Promise<void> => {
      await endServices();
      await database.drop();
    },
  };
}

/** Creates and ships orders of these names, side by side. */
export async function shipOrders({ target }: Publishing, ids: readonly string[]): Promise<void> {
  await Promise.all(
    ids.map(async (id) => {
      await createOrder(target, id);
      const body = { carrier: "DHL", trackingNumber: "1" };
      const shipped = await command(target, `${id}/ship`, body);
      if (shipped.status !== 200) throw new Error(await shipped.text());
    }),
  );
}

/** Names of orders of their own. */
export const orderNames = (prefix: string, count: number): readonly string[] =>
  Array.from({ length: count }, (_, index) => `${prefix}-${index}`);
