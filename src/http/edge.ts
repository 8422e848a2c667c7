import type { Context, MiddlewareHandler } from "hono";

import { invariant } from "#kernel/errors.ts";

import type { Minimum } from "#query/wait.ts";

import type { Principal } from "./dependencies.ts";

/** What the edge knows of a request besides what the caller sent. */
export type Edge = {
  Variables: {
    requestId: string;
    /** The pattern of the route, such as `/queries/orders/:id`; unset where none fits. */
    route?: string;
    /** Set once the caller is known. */
    principal?: Principal;
    /** Asks again whether the caller holds the route's scope. */
    mayStill: () => Promise<boolean>;
    /** How far the view of a query must be; unset where its caller does not say. */
    minimum?: Minimum;
  };
};

export type EdgeContext = Context<Edge>;

/** Work before a route's answer: it answers itself, or lets the next one go on. */
export type Step = MiddlewareHandler<Edge>;

/** The caller of a route that demands a scope. */
export function principalOf(context: EdgeContext): Principal {
  const principal = context.get("principal");
  invariant(principal !== undefined, "a public route has no caller");
  return principal;
}
