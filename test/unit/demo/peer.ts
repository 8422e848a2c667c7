// A remote peer that answers as the contract says, over real HTTP. It stands for a service
// somewhere, so that faults can be had on request: it keeps no log and folds no events.

type Status = "created" | "shipped" | "delivered" | "cancelled";
type Order = { status: Status; customerId: string; total: number; day: string };

/** A command as it arrived. `repeat` is true for one whose idempotency key was seen before. */
export type Arrival = {
  readonly orderId: string;
  readonly command: string;
  readonly key: string | null;
  readonly authorization: string | null;
  readonly body: Readonly<Record<string, unknown>>;
};

export type PeerOptions = {
  /** Whether first answers are kept and replayed. */
  readonly idempotency?: boolean;
  /** A free one if absent. */
  readonly port?: number;
  /** Called for each arrival; a response answers instead, and nothing is done. */
  readonly before?: (arrival: Arrival) => Response | undefined | Promise<Response | undefined>;
  /** Called after a command took effect; a response goes out instead of the real answer. */
  readonly after?: (arrival: Arrival) => Response | undefined | Promise<Response | undefined>;
  /** How far the views are, given the head of the log. */
  readonly viewPosition?: (head: number) => number;
  /** Overrides the answer of `GET /queries/sales`. */
  readonly sales?: (url: URL) => Response | undefined;
};

export type Peer = {
  readonly url: string;
  readonly arrivals: readonly Arrival[];
  /** Commands in effect, in the order in which they took effect. */
  readonly effects: readonly { orderId: string; command: string; customerId: string }[];
  readonly inFlightMax: () => number;
  readonly stop: () => Promise<void>;
};

const allowed: Readonly<Record<string, readonly (Status | undefined)[]>> = {
  create: [undefined],
  ship: ["created"],
  deliver: ["shipped"],
  cancel: ["created", "shipped"],
};
const next: Readonly<Record<string, Status>> = {
  create: "created",
  ship: "shipped",
  deliver: "delivered",
  cancel: "cancelled",
};
const refused: Readonly<Record<string, string>> = {
  create: "order-already-exists",
  ship: "order-not-shippable",
  deliver: "order-not-deliverable",
  cancel: "order-not-cancellable",
};

/** A problem document (RFC 9457) as an answer. */
export const problem = (
  status: number,
  code: string,
  headers: Readonly<Record<string, string>> = {},
): Response =>
  Response.json(
    { type: `urn:varve:problem:${code}`, title: code, status, code },
    { status, headers: { "content-type": "application/problem+json", ...headers } },
  );

/** Starts a peer on a free port. Stop it when done. */
export function startPeer(options: PeerOptions = {}): Peer {
  const orders = new Map<string, Order>();
  const arrivals: Arrival[] = [];
  const effects: { orderId: string; command: string; customerId: string }[] = [];
  const answers = new Map<string, { body: unknown; status: number; position: number }>();
  let [inFlight, inFlightMax] = [0, 0];

  const execute = (arrival: Arrival): Response => {
    const { orderId, command, key, body } = arrival;
    const kept = options.idempotency && key !== null ? answers.get(key) : undefined;
    if (kept !== undefined) {
      const headers = {
        "varve-position": String(kept.position),
        "idempotency-replayed": "true",
      };
      return Response.json(kept.body, { status: kept.status, headers });
    }
    const order = orders.get(orderId);
    if (order === undefined && command !== "create") return problem(404, "order-not-found");
    if (!allowed[command]?.includes(order?.status)) {
      return problem(409, refused[command] ?? "unknown-command");
    }
    const status = next[command] ?? "created";
    if (order === undefined) orders.set(orderId, opened(body));
    else order.status = status;
    effects.push({ orderId, command, customerId: orders.get(orderId)?.customerId ?? "" });
    const position = effects.length;
    const answer = {
      body: { aggregate: "orders", id: orderId, position, events: [{ type: status, position }] },
      status: command === "create" ? 201 : 200,
      position,
    };
    if (key !== null) answers.set(key, answer);
    const headers = { "varve-position": String(position) };
    return Response.json(answer.body, { status: answer.status, headers });
  };

  const takeCommand = async (request: Request, path: RegExpExecArray): Promise<Response> => {
    inFlight += 1;
    inFlightMax = Math.max(inFlightMax, inFlight);
    try {
      const arrival: Arrival = {
        orderId: path[1] ?? "",
        command: path[2] ?? "",
        key: request.headers.get("idempotency-key"),
        authorization: request.headers.get("authorization"),
        body: (await request.json()) as Arrival["body"],
      };
      arrivals.push(arrival);
      const instead = await options.before?.(arrival);
      if (instead !== undefined) return instead;
      const answer = execute(arrival);
      return (await options.after?.(arrival)) ?? answer;
    } finally {
      inFlight -= 1;
    }
  };

  const server = Bun.serve({
    port: options.port ?? 0,
    hostname: "127.0.0.1",
    async fetch(request) {
      const url = new URL(request.url);
      const path = /^\/commands\/orders\/([^/]+)\/([a-z]+)$/.exec(url.pathname);
      if (request.method === "POST" && path !== null) return takeCommand(request, path);
      if (url.pathname.startsWith("/health")) return health(effects.length, options);
      if (url.pathname === "/queries/sales") return options.sales?.(url) ?? sales(orders);
      return problem(404, "not-found");
    },
  });
  return {
    url: `http://127.0.0.1:${server.port}`,
    arrivals,
    effects,
    inFlightMax: () => inFlightMax,
    stop: () => server.stop(true),
  };
}

function opened(body: Arrival["body"]): Order {
  const lines = body["lines"] as { quantity: number; unitPrice: number }[];
  const total = lines.reduce((sum, line) => sum + line.quantity * line.unitPrice, 0);
  const day = String(body["placedAt"]).slice(0, 10);
  return { status: "created", customerId: String(body["customerId"]), total, day };
}

function health(head: number, { viewPosition = (at) => at }: PeerOptions): Response {
  const position = viewPosition(head);
  return Response.json({
    status: "healthy",
    subscriptions: [
      { name: "orders", role: "serving", position, head, lagEvents: head - position },
    ],
  });
}

function sales(orders: ReadonlyMap<string, Order>): Response {
  const days = Map.groupBy(orders.values(), (order) => order.day);
  const items = [...days].map(([day, booked]) => {
    const cancelled = booked.filter((order) => order.status === "cancelled");
    return {
      day,
      currency: "GBP",
      orders: booked.length,
      revenue: booked.reduce((sum, order) => sum + order.total, 0),
      cancelledOrders: cancelled.length,
      cancelledRevenue: cancelled.reduce((sum, order) => sum + order.total, 0),
    };
  });
  return Response.json({ items });
}
