import { Defect, VarveError } from "#kernel/errors.ts";
import type { LogFields } from "#kernel/log.ts";

/**
 * An error as it may cross to the other thread's log: where it arose, and what our own code said.
 * The message of any other error is left behind, because engines quote what they stumbled over.
 */
export function withoutValues({ error, ...fields }: LogFields): LogFields {
  if (!(error instanceof Error)) return fields;
  // The stack begins with the message, and a message may have lines that look like frames.
  const stack = (error.stack ?? "").replace(error.message, "");
  const frames = stack.split("\n").filter((line) => /^\s+at /.test(line));
  const ours = error instanceof VarveError || error instanceof Defect;
  return {
    ...fields,
    kind: error.name,
    frames,
    ...(ours ? { said: error.message } : {}),
    ...(error instanceof VarveError ? { context: error.context } : {}),
  };
}
