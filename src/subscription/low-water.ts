import type { DeadLetter } from "#store/dead-letters.ts";

/** What became of an event that was handed out. */
export type Outcome =
  { readonly taken: true } | { readonly taken: false; readonly letter: DeadLetter };

/** What can be written: everything up to a position is done. */
export type Done = {
  readonly toPosition: number;
  readonly taken: readonly number[];
  readonly letters: readonly DeadLetter[];
};

type Entry = { readonly position: number; outcome: Outcome | undefined };

/**
 * Events that are worked on side by side, and how far all of them are done: the checkpoint may go no
 * further than the one before the first that is not.
 */
export type LowWater = ReturnType<typeof createLowWater>;

export function createLowWater(start: number) {
  let entries: Entry[] = [];
  let seen = start;
  let open = 0;

  const prefix = (): number => {
    const first = entries.findIndex(({ outcome }) => outcome === undefined);
    return first === -1 ? entries.length : first;
  };

  return {
    /** Hands an event out; events come in order of position. */
    add: (position: number): ((outcome: Outcome) => void) => {
      const entry: Entry = { position, outcome: undefined };
      entries.push(entry);
      seen = position;
      open += 1;
      return (outcome) => {
        entry.outcome = outcome;
        open -= 1;
      };
    },
    /** Nothing else is wanted up to here: whatever is was handed out. */
    reach: (position: number): void => {
      seen = position;
    },
    /** Whether the first of them is done, so that something can be written. */
    isDone: (): boolean => prefix() > 0,
    /** Events handed out and not done. */
    open: (): number => open,
    /** Events handed out of which nothing is written yet. */
    size: (): number => entries.length,
    done: (): Done => {
      const ready = entries.slice(0, prefix());
      const next = entries[ready.length];
      return {
        toPosition: next === undefined ? seen : next.position - 1,
        taken: ready.flatMap(({ position, outcome }) => (outcome?.taken ? [position] : [])),
        letters: ready.flatMap(({ outcome }) =>
          outcome !== undefined && !outcome.taken ? [outcome.letter] : [],
        ),
      };
    },
    /** Whether a letter of the stream is still to be written. */
    holdsLetter: (stream: string): boolean =>
      entries.some(({ outcome }) => outcome?.taken === false && outcome.letter.stream === stream),
    /** It is written up to the position. */
    written: (toPosition: number): void => {
      entries = entries.filter(({ position }) => position > toPosition);
    },
  };
}
