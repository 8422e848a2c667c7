import { sleep } from "#kernel/clock.ts";
import { uuidv7 } from "#kernel/ids.ts";

import { type Answer, command, orderBody, type Target } from "./caller.ts";

export type LoadOptions = {
  /** Asked before every attempt: the service may be another one by then, or none. */
  readonly target: () => Target;
  readonly writers: number;
  /** 0 to 1. */
  readonly random: () => number;
  /** How often a command that was not taken is sent again; Infinity for until it is. */
  readonly retries: number;
};

export type Load = {
  /** Of every command that was answered 2xx. */
  readonly answers: readonly Answer[];
  /** How often each thing happened that was not a 2xx: a status, or "no answer". */
  readonly refusals: ReadonlyMap<string, number>;
  /** How many answers were the first one's again, since its reply had been lost. */
  readonly replays: () => number;
  /** Ends after the attempt that is under way. */
  readonly stop: () => Promise<void>;
};

/** A generator of numbers in 0 to 1 that the seed decides. Source: mulberry32. */
export function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = Math.trunc(state + 0x6d2b79f5);
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A pause before a refused command is sent again, so that refusals do not fill the machine. */
const againMs = 50;

const contact = { name: "Grace Example", email: "grace@example.org" };

/** An order's life after its creation, by chance. */
function life(random: () => number): readonly (readonly [string, unknown])[] {
  const shipped = ["ship", { carrier: "Royal Mail", trackingNumber: "RM1" }] as const;
  const moved = ["change-contact", { contact }] as const;
  const cancelled = ["cancel", { reason: "changed my mind" }] as const;
  const chance = random();
  if (chance < 0.3) return [shipped, ["deliver", {}]];
  if (chance < 0.5) return [moved, cancelled];
  if (chance < 0.8) return [shipped, moved, cancelled];
  return [];
}

/**
 * Writers that create, ship, change, deliver and cancel orders until they are stopped. Two writers
 * share each order, so that they race for its versions; eight customers share all orders. A command
 * that is sent again carries the same idempotency key, so that it gets the first answer.
 */
export function startLoad({ target, writers, random, retries }: LoadOptions): Load {
  const answers: Answer[] = [];
  const refusals = new Map<string, number>();
  let stopping = false;
  let replays = 0;

  // No two loads on one database share an order or a key.
  const run = uuidv7().slice(-6);

  const attempt = async (path: string, body: unknown, key: string): Promise<boolean> => {
    const refused = (what: string): void => void refusals.set(what, (refusals.get(what) ?? 0) + 1);
    try {
      const answer = await command(target(), path, body, { "Idempotency-Key": key });
      if (answer.headers.get("Idempotency-Replayed") === "true") replays += 1;
      if (answer.ok) answers.push((await answer.json()) as Answer);
      else {
        refused(String(answer.status));
        await answer.arrayBuffer();
      }
      return answer.status < 500;
    } catch {
      refused("no answer");
      return false;
    }
  };

  const send = async (path: string, body: unknown, key: string): Promise<void> => {
    for (let tries = 0; tries <= retries && !stopping; tries += 1) {
      if (await attempt(path, body, key)) return;
      await sleep(againMs);
    }
  };

  const write = async (writer: number): Promise<void> => {
    for (let order = 0; !stopping; order += 1) {
      const id = `o-${run}-${Math.floor(writer / 2)}-${order}`;
      const key = `${run}-${writer}-${order}`;
      await send(`${id}/create`, orderBody(`c-${order % 8}`), key);
      for (const [step, [name, body]] of life(random).entries()) {
        await send(`${id}/${name}`, body, `${key}-${step}`);
      }
    }
  };

  const all = Array.from({ length: writers }, (_, writer) => write(writer));
  return {
    answers,
    refusals,
    replays: () => replays,
    stop: async () => {
      stopping = true;
      await Promise.all(all);
    },
  };
}
