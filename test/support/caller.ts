import { json } from "#test/app.ts";
import { until } from "#test/until.ts";

/** One event of a command's answer. */
export type AnsweredEvent = {
  readonly id: string;
  readonly type: string;
  readonly version: number;
  readonly position: number;
};

/** The answer to an accepted command. */
export type Answer = {
  readonly aggregate: string;
  readonly id: string;
  readonly version: number;
  readonly position: number;
  readonly events: readonly AnsweredEvent[];
};

/** What callers send: a service and a key to it. */
export type Target = { readonly url: string; readonly key: string };

const authorised = ({ key }: Target) => ({ Authorization: `Bearer ${key}` });

/** A create command's body. Every personal field holds the mark, if there is one. */
export const orderBody = (customerId: string, mark = "x") => ({
  customerId,
  contact: { name: `Name ${mark}`, email: `${mark}@example.org`, phone: `+44 ${mark}` },
  shippingAddress: {
    line1: `Line1 ${mark}`,
    line2: `Line2 ${mark}`,
    city: `City ${mark}`,
    postcode: `P ${mark}`.slice(0, 20),
    country: "GB",
  },
  currency: "GBP",
  lines: [{ sku: "85123A", quantity: 6, unitPrice: 255 }],
});

/** Sends a command of an order. Rejects where no answer came. */
export const command = (
  target: Target,
  path: string,
  body: unknown,
  headers: Readonly<Record<string, string>> = {},
): Promise<Response> =>
  fetch(`${target.url}/commands/orders/${path}`, json(body, { ...authorised(target), ...headers }));

/** Asks a query. */
export const query = (target: Target, path: string): Promise<Response> =>
  fetch(`${target.url}/queries/${path}`, { headers: authorised(target) });

/** The order's document once it shows the version, as a caller with the key sees it. */
export const shownOrder = (target: Target, id: string, version = 1, deadlineMs = 5_000) =>
  until(
    `${id} is shown at version ${version}`,
    async () => {
      const answer = await query(target, `orders/${id}`).catch(() => null);
      const text = (await answer?.text()) ?? "";
      if (answer?.status !== 200) return null;
      const document = JSON.parse(text) as Readonly<Record<string, unknown>>;
      return Number(document["version"]) >= version ? document : null;
    },
    deadlineMs,
  );

/** Creates an order and gives the answer. Throws where it was not created. */
export async function createOrder(target: Target, id: string, mark?: string): Promise<Answer> {
  const answer = await command(target, `${id}/create`, orderBody(`c-${id}`, mark));
  if (answer.status !== 201) throw new Error(`${answer.status}: ${await answer.text()}`);
  return (await answer.json()) as Answer;
}
