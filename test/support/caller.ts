import { json } from "#test/app.ts";

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

/** Asks a query, waiting in the service until the view has reached the position. */
export const query = (target: Target, path: string, minPosition = 0): Promise<Response> =>
  fetch(`${target.url}/queries/${path}`, {
    headers: {
      ...authorised(target),
      "Varve-Min-Position": String(minPosition),
      Prefer: "wait=10",
    },
  });

/** Creates an order and gives the answer. Throws where it was not created. */
export async function createOrder(target: Target, id: string, mark?: string): Promise<Answer> {
  const answer = await command(target, `${id}/create`, orderBody(`c-${id}`, mark));
  if (answer.status !== 201) throw new Error(`${answer.status}: ${await answer.text()}`);
  return (await answer.json()) as Answer;
}
