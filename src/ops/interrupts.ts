import { exitCodes } from "./exit.ts";

/**
 * A signal that fires at the first Ctrl-C; the second one ends the process without waiting. SIGTERM
 * is taken alike, since a signal that is listened to, as a progress bar does, ends nothing. `release`
 * gives both back to the process.
 */
export function catchInterrupts(): { readonly signal: AbortSignal; readonly release: () => void } {
  const controller = new AbortController();
  const interrupt = (): void => {
    if (controller.signal.aborted) process.exit(exitCodes.interrupted);
    controller.abort();
  };
  process.on("SIGINT", interrupt).on("SIGTERM", interrupt);
  const release = (): void => void process.off("SIGINT", interrupt).off("SIGTERM", interrupt);
  return { signal: controller.signal, release };
}
