/**
 * Marks: what the worker is working on, in memory that outlives it.
 *
 * Code of a subscription may end the worker or hold it for ever, so that it can say nothing any
 * more. Before it runs, its event is written into memory that the supervisor shares; what stands there
 * when the worker is gone are the suspects. A mark costs two writes to memory.
 */
/** An event that was worked on when the worker ended. */
export type Suspect = {
  readonly subscription: string;
  readonly partition: number;
  readonly position: number;
};

/** Calls under way that are marked; many subscriptions of the usual concurrency. */
const MARKS = 512;
const NAME_BYTES = 128;
const SLOT_BYTES = 16 + NAME_BYTES;

/** Memory for marks, to be shared between two threads. */
export const marksMemory = (): SharedArrayBuffer => new SharedArrayBuffer(MARKS * SLOT_BYTES);

type Slot = { readonly numbers: Float64Array; readonly name: Uint8Array };

const slotsOf = (memory: SharedArrayBuffer): readonly Slot[] =>
  Array.from({ length: MARKS }, (_, index) => ({
    numbers: new Float64Array(memory, index * SLOT_BYTES, 2),
    name: new Uint8Array(memory, index * SLOT_BYTES + 16, NAME_BYTES),
  }));

/** One piece of work under way. Position 0 stands for nothing. */
export type Mark = {
  readonly at: (position: number) => void;
  readonly end: () => void;
};

export type Marks = (of: Omit<Suspect, "position">) => Mark;

/** Hands out marks; where all are taken, one that marks nothing. */
export function createMarks(memory: SharedArrayBuffer): Marks {
  const free = [...slotsOf(memory)];
  const encoder = new TextEncoder();
  return ({ subscription, partition }) => {
    const slot = free.pop();
    if (slot === undefined) return { at: () => undefined, end: () => undefined };
    slot.name.fill(0);
    slot.name.set(encoder.encode(subscription).subarray(0, NAME_BYTES));
    slot.numbers[1] = partition;
    return {
      at: (position) => {
        slot.numbers[0] = position;
      },
      end: () => {
        slot.numbers[0] = 0;
        free.push(slot);
      },
    };
  };
}

/** What is marked, and forgets it: for whoever sees that the worker is gone. */
export function takeSuspects(memory: SharedArrayBuffer): readonly Suspect[] {
  const decoder = new TextDecoder();
  return slotsOf(memory).flatMap(({ numbers, name }) => {
    const [position = 0, partition = 0] = numbers;
    numbers[0] = 0;
    if (position === 0) return [];
    const end = name.indexOf(0);
    const bytes = name.slice(0, end === -1 ? NAME_BYTES : end);
    return [{ subscription: decoder.decode(bytes), partition, position }];
  });
}
