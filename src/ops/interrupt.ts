import { exitCodes } from "./exit.ts";

/** Fires at the first Ctrl-C; `release` gives the signals back. */
export type Interrupt = { readonly signal: AbortSignal; readonly release: () => void };

/**
 * A signal that fires at the first Ctrl-C; the second one ends the process without waiting for what
 * is under way. SIGTERM is taken alike, because a progress bar listens to it, and a signal that is
 * listened to ends nothing.
 */
export function catchInterrupts(): Interrupt {
  const controller = new AbortController();
  const interrupt = (): void => {
    if (controller.signal.aborted) process.exit(exitCodes.interrupted);
    controller.abort();
  };
  process.on("SIGINT", interrupt).on("SIGTERM", interrupt);
  const release = (): void => void process.off("SIGINT", interrupt).off("SIGTERM", interrupt);
  return { signal: controller.signal, release };
}
