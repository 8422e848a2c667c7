/**
 * A receiver of webhooks: an HTTP server of a test's own.
 *
 * What it promises. It remembers what it was sent, in order, and answers as the test says.
 */
export type Received = {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
};

export type Answering = (received: Received) => Response | Promise<Response>;

/** Takes everything with 204 unless the test says otherwise. */
export function startReceiver(answer: Answering = () => new Response(null, { status: 204 })) {
  const received: Received[] = [];
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    idleTimeout: 0,
    fetch: async (request) => {
      const { pathname, search } = new URL(request.url);
      const one = {
        method: request.method,
        path: `${pathname}${search}`,
        headers: Object.fromEntries(request.headers),
        body: await request.text(),
      };
      received.push(one);
      return answer(one);
    },
  });
  return {
    /** Without a slash at its end. */
    url: server.url.href.replace(/\/$/, ""),
    received,
    /** The one that it was sent; throws where there is none or another. */
    only: (): Received => {
      const [one, another] = received;
      if (one === undefined || another !== undefined) {
        throw new Error(`${received.length} requests instead of one`);
      }
      return one;
    },
    stop: (): Promise<void> => server.stop(true),
  };
}

export type Receiver = ReturnType<typeof startReceiver>;
