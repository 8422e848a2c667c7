/**
 * A webhook: one POST an event, signed as Standard Webhooks says.
 *
 * What it promises: a 2xx is the one answer that counts as taken. The signature covers id, time and
 * body; with several secrets there is one signature of each, so that a receiver can change over.
 * `webhook-id` is the event's id, the same at every attempt; `webhook-timestamp` is the attempt's.
 *
 * What it relies on: a receiver that drops an id it has seen. Redirects are not followed: an address
 * that moved is for a person to change, and a signed event must not go where nobody configured.
 *
 * How it fails: as `outcome.ts` says. The whole exchange is bounded in time, and an answer in bytes
 * and time: what it says beyond its status and Retry-After is thrown away.
 *
 * What it does not do: it tries once. It verifies certificates as the runtime does, by the system's
 * authorities.
 */
import { Webhook } from "standardwebhooks";

import { type Clock, sleep } from "#kernel/clock.ts";
import { VarveError } from "#kernel/errors.ts";

import { bounded } from "./bounded.ts";
import { failed, reasonOf, refused, unavailable } from "./outcome.ts";
import type { Target, TargetConfig } from "./target.ts";

/** What Standard Webhooks advises a sender to wait: 15 to 30 seconds. */
const exchangeMs = 15_000;

/** Of an answer that is thrown away anyway: enough to keep the connection of an ordinary one. */
const answerBytes = 16 * 1024;
const answerMs = 500;

/** A receiver may ask for a longer rest than that; it is asked again all the same. */
const retryAfterMsMax = 10 * 60_000;

/**
 * What says nothing of the event: credentials or an address that are wrong, a gateway, a limit, or
 * time. 425 is Too Early.
 */
const unavailableStatuses = new Set([401, 403, 404, 407, 408, 410, 425, 429, 502, 503, 504]);

const isUnavailable = (status: number): boolean =>
  unavailableStatuses.has(status) || (status >= 300 && status <= 399);

export type WebhookOptions = TargetConfig & {
  /** Milliseconds since the epoch, as the receiver's clock has them. */
  readonly clock: Clock;
  readonly timeoutMs?: number;
};

/** Milliseconds of Retry-After, in seconds or as a date (RFC 9110, 10.2.3); undefined for neither. */
export function retryAfterMs(value: string | null, nowMs: number): number | undefined {
  if (value === null) return undefined;
  const text = value.trim();
  const ms = /^\d{1,9}$/.test(text) ? Number(text) * 1_000 : Date.parse(text) - nowMs;
  return Number.isNaN(ms) ? undefined : Math.min(Math.max(ms, 0), retryAfterMsMax);
}

/** Reads the rest of a small answer, so that the connection can be used again; drops a large one. */
async function discard({ body }: Response): Promise<void> {
  if (body === null) return;
  const reader = (body as ReadableStream<Uint8Array>).getReader();
  const read = async (): Promise<void> => {
    let bytes = 0;
    while (bytes <= answerBytes) {
      const { done, value } = await reader.read();
      if (done) return;
      bytes += value.byteLength;
    }
  };
  const ended = new AbortController();
  const all = read()
    .catch(() => undefined)
    .finally(() => ended.abort());
  await Promise.race([all, sleep(answerMs, ended.signal)]);
  // What an answer does after its status concerns nobody.
  await reader.cancel().catch(() => undefined);
}

/** What the status says of the event; undefined where it was taken. */
function outcomeOf(target: string, { status, headers }: Response, nowMs: number) {
  if (status >= 200 && status <= 299) return undefined;
  if (isUnavailable(status)) {
    const wait = retryAfterMs(headers.get("retry-after"), nowMs);
    return unavailable(target, { status, ...(wait === undefined ? {} : { retryAfterMs: wait }) });
  }
  return status >= 500 ? failed(target, { status }) : refused(target, { status });
}

/** Opens nothing: connections are made, kept and dropped by the runtime. */
export function createWebhook(options: WebhookOptions): Target {
  const { name, url, secrets, clock, timeoutMs = exchangeMs } = options;
  const signers = secrets.map((secret) => new Webhook(secret));

  const post = async (id: string, body: string, signal: AbortSignal): Promise<Response> => {
    const nowMs = clock();
    const at = new Date(nowMs);
    return fetch(url, {
      method: "POST",
      redirect: "manual",
      signal,
      body,
      headers: {
        "content-type": "application/cloudevents+json",
        "user-agent": "varve",
        "webhook-id": id,
        "webhook-timestamp": String(Math.floor(nowMs / 1_000)),
        "webhook-signature": signers.map((signer) => signer.sign(id, at, body)).join(" "),
      },
    });
  };

  return {
    send: (event, signal) =>
      bounded({ target: name, signal, timeoutMs }, async (within) => {
        const answer = await post(event.id, JSON.stringify(event), within).catch(
          (error: unknown) => {
            throw error instanceof VarveError
              ? error
              : unavailable(name, { reason: reasonOf(error) });
          },
        );
        const outcome = outcomeOf(name, answer, clock());
        await discard(answer);
        if (outcome !== undefined) throw outcome;
      }),
    close: () => Promise.resolve(),
  };
}
