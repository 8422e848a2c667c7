/**
 * `/admin/subscriptions`: what every view and reactor does, and pausing, resetting, rebuilding,
 * swapping and rolling back.
 *
 * What it promises: an answer says what is in force now, for all instances; a worker hears of it at
 * its next renewal. A step that was refused has changed nothing, and repeating one is safe. Every
 * step is logged with who took it.
 *
 * How it fails: 404 where there is no such subscription or view, 409 with a code of its own where
 * the step does not fit what is there.
 *
 * What it does not do: wait until a view is built, or compare versions: that takes as long as the
 * view is large, and is the command line's (`projections rebuild`, `projections diff`).
 */
import { z } from "zod";

import type { AppDependencies } from "./dependencies.ts";
import type { EdgeContext } from "./edge.ts";
import { validationFailed } from "./faults.ts";
import { operationRoute, reasonText, tellOperation } from "./operating.ts";
import { checkParameters } from "./parameters.ts";
import { validBody } from "./body.ts";
import { checkId, idOf } from "./path.ts";
import { problem, type ProblemCode } from "./problem.ts";
import type { Route } from "./routes.ts";

const noSubscription = (context: EdgeContext): Response =>
  problem(context, "not-found", { detail: "There is no such subscription." });

const noView = (context: EdgeContext): Response =>
  problem(context, "not-found", { detail: "There is no such view." });

const integer = (min: number, max: number) => {
  const error = `must be an integer from ${min} to ${max}`;
  return z.int(error).min(min, error).max(max, error);
};

const bodies = {
  none: z.strictObject({}),
  pause: z.strictObject({ reason: reasonText.optional() }),
  reset: z.strictObject({ position: integer(0, Number.MAX_SAFE_INTEGER) }),
  // As many as the database allows.
  rebuild: z.strictObject({ partitions: integer(1, 256).optional() }),
};

const listRoute = ({ operations }: AppDependencies): Route => ({
  method: "GET",
  path: "/admin/subscriptions",
  scope: "admin",
  steps: [checkParameters(z.strictObject({}))],
  answer: async (context) => {
    const { head, items } = await operations.subscriptions();
    return context.json({ items, head }, 200, { "Varve-Position": String(head) });
  },
});

/** Pausing, resuming and resetting, of views' versions and reactors alike. */
function subscriptionSteps(dependencies: AppDependencies): readonly Route[] {
  const { operations } = dependencies;
  const pause = async (context: EdgeContext): Promise<Response> => {
    const name = idOf(context);
    const { reason } = validBody(context) as z.output<typeof bodies.pause>;
    if (!(await operations.pause(name, reason ?? null))) return noSubscription(context);
    tellOperation(dependencies, context, { operation: "pause", subscription: name });
    return context.json({ name, paused: true, pauseReason: reason ?? null });
  };
  const resume = async (context: EdgeContext): Promise<Response> => {
    const name = idOf(context);
    if (!(await operations.resume(name))) return noSubscription(context);
    tellOperation(dependencies, context, { operation: "resume", subscription: name });
    return context.json({ name, paused: false });
  };
  const reset = async (context: EdgeContext): Promise<Response> => {
    const name = idOf(context);
    const { position } = validBody(context) as z.output<typeof bodies.reset>;
    const refused = (message: string): Response =>
      validationFailed(context, "body", [{ pointer: "/position", message }]);
    switch (await operations.reset(name, position)) {
      case "unknown":
        return noSubscription(context);
      case "not-zero":
        return refused("must be 0: a view begins without documents");
      case "past-head":
        return refused("must not be past the end of the log");
      case "done":
        tellOperation(dependencies, context, { operation: "reset", subscription: name, position });
        return context.json({ name, position });
    }
  };
  return [
    step("pause", bodies.pause, pause),
    step("resume", bodies.none, resume),
    step("reset", bodies.reset, reset),
  ];
}

const step = (word: string, body: z.ZodObject, answer: Route["answer"]): Route =>
  operationRoute({ path: `/admin/subscriptions/:id/${word}`, body, check: checkId, answer });

const swapRefusals = {
  "no-building": "nothing-to-swap",
  behind: "view-behind-serving",
} as const satisfies Readonly<Record<string, ProblemCode>>;

const rollbackRefusals = {
  "no-previous": "nothing-to-roll-back",
  building: "view-being-built",
} as const satisfies Readonly<Record<string, ProblemCode>>;

/** What is done to a view, by the name that queries have. */
function viewSteps(dependencies: AppDependencies): readonly Route[] {
  const { operations } = dependencies;
  const rebuild = async (context: EdgeContext): Promise<Response> => {
    const view = idOf(context);
    const { partitions } = validBody(context) as z.output<typeof bodies.rebuild>;
    const building = await operations.rebuild(view, partitions ?? null);
    if (building === undefined) return noView(context);
    tellOperation(dependencies, context, { operation: "rebuild", subscription: building });
    return context.json({ view, building }, 202);
  };
  const swap = async (context: EdgeContext): Promise<Response> => {
    const view = idOf(context);
    const outcome = await operations.swap(view);
    if (outcome === "unknown") return noView(context);
    if (outcome !== "done") return problem(context, swapRefusals[outcome]);
    tellOperation(dependencies, context, { operation: "swap", subscription: view });
    return context.json({ view, swapped: true, previous: `${view}:previous` });
  };
  const rollback = async (context: EdgeContext): Promise<Response> => {
    const view = idOf(context);
    const outcome = await operations.rollback(view);
    if (outcome === "unknown") return noView(context);
    if (outcome !== "done") return problem(context, rollbackRefusals[outcome]);
    tellOperation(dependencies, context, { operation: "rollback", subscription: view });
    return context.json({ view, rolledBack: true, building: `${view}:building` });
  };
  return [
    step("rebuild", bodies.rebuild, rebuild),
    step("swap", bodies.none, swap),
    step("rollback", bodies.none, rollback),
  ];
}

/** The list, and every step. */
export const subscriptionRoutes = (dependencies: AppDependencies): readonly Route[] => [
  listRoute(dependencies),
  ...subscriptionSteps(dependencies),
  ...viewSteps(dependencies),
];
