/**
 * A TCP proxy in front of Postgres: the network, with the faults that a test asks for.
 *
 * What it promises. Bytes go through in order and unchanged until the rule of their direction says
 * otherwise: `hold` keeps them and all that follow them on that connection until `resume`, `cut`
 * resets both ends. `refuse` lets nobody in any more, as a host does whose server is gone.
 */
import { createServer, connect, type AddressInfo, type Server, type Socket } from "node:net";

type Verdict = "pass" | "hold" | "cut";

/** Asked for every chunk, as Latin-1 text, with the number of its connection. */
type Rule = (chunk: string, connection: number) => Verdict;

export type Rules = { readonly toServer?: Rule; readonly toClient?: Rule };

const pass: Rule = () => "pass";

/** One direction of one connection. */
function relay(from: Socket, to: Socket, judge: (chunk: string) => Verdict) {
  const held: Buffer[] = [];
  let holding = false;
  from.on("data", (chunk: Buffer) => {
    const verdict = holding ? "hold" : judge(chunk.toString("latin1"));
    if (verdict === "pass") to.write(chunk);
    if (verdict === "hold") {
      holding = true;
      held.push(chunk);
    }
    if (verdict === "cut") {
      from.destroy();
      to.destroy();
    }
  });
  from.on("error", () => to.destroy());
  from.on("close", () => to.destroy());
  return (): void => {
    holding = false;
    for (const chunk of held.splice(0)) to.write(chunk);
  };
}

function listen(server: Server, port: number): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  server.once("error", reject);
  server.listen(port, "127.0.0.1", () => resolve((server.address() as AddressInfo).port));
  return promise;
}

export type Proxy = Awaited<ReturnType<typeof openProxy>>;

/** Starts a proxy in front of the server of that URL; everything passes. */
export async function openProxy(databaseUrl: string) {
  const target = new URL(databaseUrl);
  const sockets = new Set<Socket>();
  const resumes: (() => void)[] = [];
  let rules: Rules = {};
  let connections = 0;

  const accept = (client: Socket): void => {
    connections += 1;
    const connection = connections;
    const server = connect(Number(target.port), target.hostname);
    for (const socket of [client, server]) {
      sockets.add(socket);
      socket.setNoDelay(true);
      socket.on("close", () => sockets.delete(socket));
    }
    resumes.push(
      relay(client, server, (chunk) => (rules.toServer ?? pass)(chunk, connection)),
      relay(server, client, (chunk) => (rules.toClient ?? pass)(chunk, connection)),
    );
  };

  let server = createServer(accept);
  const port = await listen(server, 0);
  const url = new URL(databaseUrl);
  url.hostname = "127.0.0.1";
  url.port = String(port);

  const stopListening = (): Promise<void> => {
    const { promise, resolve } = Promise.withResolvers<void>();
    server.close(() => resolve());
    return promise;
  };

  return {
    url: url.href,
    /** How many have been let in so far. */
    connections: (): number => connections,
    /** From now on, for connections that are open as well. */
    rule: (changed: Rules): void => {
      rules = changed;
    },
    /** Everything passes again, what was held first. */
    resume: (): void => {
      rules = {};
      for (const release of resumes) release();
    },
    /** New connections are refused; open ones stay as they are. */
    refuse: (): void => {
      void stopListening();
    },
    /** Cuts every connection that is open. */
    cutAll: (): void => {
      for (const socket of sockets) socket.destroy();
    },
    /** Lets connections in again, at the same address. */
    accept: async (): Promise<void> => {
      server = createServer(accept);
      await listen(server, port);
    },
    close: async (): Promise<void> => {
      const closed = stopListening();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}
