/**
 * Who wants to hear of failures. Hooks may be registered at any time, before the start or after it;
 * each hears of every failure from then on.
 */
import type { Logger } from "#kernel/log.ts";

import type { ErrorCategory, ErrorSeverity, Failure } from "./failure.ts";

export type ErrorHook = (failure: Failure) => void;

export type ErrorHooks = {
  /** Each returns the way to take the hook back. */
  readonly onError: (hook: ErrorHook) => () => void;
  readonly onErrorCategory: (category: ErrorCategory, hook: ErrorHook) => () => void;
  readonly onErrorSeverity: (severity: ErrorSeverity, hook: ErrorHook) => () => void;
  /** Tells all of them. A hook that throws is logged and keeps nobody else from hearing. */
  readonly tell: (failure: Failure) => void;
};

/** No hooks yet. */
export function createErrorHooks(log: Logger): ErrorHooks {
  const hooks = new Set<ErrorHook>();
  const add = (hook: ErrorHook): (() => void) => {
    // One of its own, so that the same function can be registered twice and taken back once.
    const entry: ErrorHook = (failure) => hook(failure);
    hooks.add(entry);
    return () => void hooks.delete(entry);
  };
  return {
    onError: add,
    onErrorCategory: (category, hook) =>
      add((failure) => {
        if (failure.category === category) hook(failure);
      }),
    onErrorSeverity: (severity, hook) =>
      add((failure) => {
        if (failure.severity === severity) hook(failure);
      }),
    tell: (failure) => {
      for (const hook of hooks) {
        try {
          hook(failure);
        } catch (error) {
          log.error({ error }, "an error hook has failed");
        }
      }
    },
  };
}
