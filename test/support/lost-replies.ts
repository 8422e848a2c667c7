import type { Proxy } from "./proxy.ts";

/** CommandComplete of a select, and ReadyForQuery behind it: the transaction is committed. */
const isAnswer = (chunk: string): boolean => chunk.includes("SELECT ") && chunk.endsWith("\x05I");

/**
 * Cuts the connections that have just been answered an append, the first `count` of them, and tells
 * how many so far. Only for pools without named statements: each call must carry its text.
 */
export function cutAnswers(
  proxy: Proxy,
  count: number,
  onCut: () => void = () => undefined,
): () => number {
  const appending = new Set<number>();
  let cuts = 0;
  proxy.rule({
    toServer: (chunk, connection) => {
      if (chunk.includes("append_events")) appending.add(connection);
      return "pass";
    },
    toClient: (chunk, connection) => {
      if (cuts >= count || !appending.has(connection) || !isAnswer(chunk)) return "pass";
      cuts += 1;
      onCut();
      return "cut";
    },
  });
  return () => cuts;
}

/** Cuts the first connection that sends an append, before the server has it; tells how many so far. */
export function cutRequest(proxy: Proxy): () => number {
  let cuts = 0;
  proxy.rule({
    toServer: (chunk) => {
      if (cuts > 0 || !chunk.includes("append_events")) return "pass";
      cuts += 1;
      return "cut";
    },
  });
  return () => cuts;
}
