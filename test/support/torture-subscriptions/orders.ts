/** Callers who live through orders, one command after the other, whatever happens to the instances. */
import { sleep } from "#kernel/clock.ts";
import { type Answer, orderBody } from "#test/support/caller.ts";

import type { Instances } from "./instances.ts";

const lives: readonly (readonly (readonly [command: string, body: unknown])[])[] = [
  [["ship", { carrier: "Royal Mail", trackingNumber: "RM1" }]],
  [
    ["change-contact", { contact: { name: "Other", email: "other@example.org" } }],
    ["ship", { carrier: "Royal Mail", trackingNumber: "RM2" }],
    ["deliver", {}],
  ],
  [["cancel", { reason: "changed their mind" }]],
];

const TIMEOUT_MS = 3_000;
const AGAIN_MS = 50;
/** Between two commands of a lane. */
const PAUSE_MS = 10;
const CUSTOMERS = 40;

export type Sent = {
  readonly answers: readonly Answer[];
  readonly faults: readonly string[];
  /** Attempts without an answer of their own. */
  readonly repeats: number;
};

/** Runs the lanes until it is over; every command is repeated until it has its answer. */
export async function sendOrders(
  instances: Instances,
  key: string,
  { lanes, isOver }: { readonly lanes: number; readonly isOver: () => boolean },
): Promise<Sent> {
  const answers: Answer[] = [];
  const faults: string[] = [];
  let repeats = 0;

  const send = async (path: string, body: unknown): Promise<void> => {
    for (;;) {
      const url = instances.any()?.url;
      const answer =
        url === undefined
          ? null
          : await fetch(`${url}/commands/orders/${path}`, {
              method: "POST",
              headers: {
                Authorization: `Bearer ${key}`,
                "Content-Type": "application/json",
                "Idempotency-Key": path,
              },
              body: JSON.stringify(body),
              signal: AbortSignal.timeout(TIMEOUT_MS),
            }).catch(() => null);
      const text = await answer?.text().catch(() => null);
      if (answer?.ok && typeof text === "string") {
        answers.push(JSON.parse(text) as Answer);
        return;
      }
      const isPassing = answer === null || answer.status === 503 || /in-progress/.test(text ?? "");
      if (!isPassing && !answer.ok) {
        faults.push(`${path} was answered ${answer.status} ${text}`);
        return;
      }
      repeats += 1;
      await sleep(AGAIN_MS);
    }
  };

  const live = async (lane: number): Promise<void> => {
    for (let order = 0; !isOver(); order += 1) {
      const id = `o-${lane}-${order}`;
      await send(`${id}/create`, orderBody(`c-${(order * lanes + lane) % CUSTOMERS}`));
      for (const [command, body] of lives[order % lives.length] ?? []) {
        await sleep(PAUSE_MS);
        await send(`${id}/${command}`, body);
      }
    }
  };
  await Promise.all(Array.from({ length: lanes }, (_, lane) => live(lane)));
  return { answers, faults, repeats };
}
