import { connect } from "node:net";

import { sleep } from "#kernel/clock.ts";
import { VarveError } from "#kernel/errors.ts";
import { type DevelopmentOptions, startDevelopmentDatabase } from "#ops/development-database.ts";
import type { EmbeddedPostgres } from "#ops/embedded-postgres.ts";

/** Nobody waits for less than a second for a database that was killed. */
const LOOK_EVERY_MS = 1_000;

/** Whether anything listens on the port of this machine. */
function listens(port: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const socket = connect({ port, host: "127.0.0.1" });
  const answer = (value: boolean): void => {
    socket.destroy();
    resolve(value);
  };
  socket.setTimeout(LOOK_EVERY_MS, () => answer(true));
  socket.once("connect", () => answer(true)).once("error", () => answer(false));
  return promise;
}

/**
 * The development database, brought back on the same port whenever it is gone, so that the service,
 * which knows that port, recovers as it does from any outage. Throws as `startDevelopmentDatabase`
 * at the first start; later failures are said and tried again. `stop` ends watching and server.
 */
export async function keepDatabase(
  options: DevelopmentOptions,
  say: (message: string) => void,
): Promise<Pick<EmbeddedPostgres, "url" | "stop">> {
  const first = await startDevelopmentDatabase(options);
  const port = Number(new URL(first.url).port);
  const held = [first];
  const stopping = new AbortController();

  const watch = async (): Promise<void> => {
    for (;;) {
      await sleep(LOOK_EVERY_MS, stopping.signal);
      if (stopping.signal.aborted) return;
      if (await listens(port)) continue;
      say("Postgres is gone: starting it again");
      try {
        held.push(await startDevelopmentDatabase({ ...options, port }));
      } catch (error) {
        if (!(error instanceof VarveError)) throw error;
        say(error.message);
      }
    }
  };
  const watching = watch();
  return {
    url: first.url,
    stop: async () => {
      stopping.abort();
      await watching;
      for (const each of held.toReversed()) await each.stop();
    },
  };
}
