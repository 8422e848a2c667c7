/** A value or the reason why there is none. Used where a refusal is part of the answer. */
export type Result<Value, Refusal> =
  { readonly ok: true; readonly value: Value } | { readonly ok: false; readonly error: Refusal };

export const accept = <Value>(value: Value): Result<Value, never> => ({ ok: true, value });
export const refuse = <Refusal>(error: Refusal): Result<never, Refusal> => ({ ok: false, error });
