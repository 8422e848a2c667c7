/**
 * `GET /admin/subscriptions/{name}/proof`: whether a subscription has taken every position once.
 *
 * What it promises: the answer is of one moment, the same whichever instance is asked, and claims
 * nothing of what was not compared: `log.position` says how far that is.
 *
 * How it fails: 404 where there is no such subscription.
 */
import { z } from "zod";

import type { AppDependencies } from "./dependencies.ts";
import { checkParameters } from "./parameters.ts";
import { checkId, idOf } from "./path.ts";
import { problem } from "./problem.ts";
import type { Route } from "./routes.ts";

/** The route of proofs. */
export const proofRoutes = ({ proofs }: AppDependencies): readonly Route[] => [
  {
    method: "GET",
    path: "/admin/subscriptions/:id/proof",
    scope: "admin",
    steps: [checkId, checkParameters(z.strictObject({}))],
    answer: async (context) => {
      const found = await proofs.read(idOf(context));
      return found === undefined
        ? problem(context, "not-found", { detail: "There is no such subscription." })
        : context.json(found);
    },
  },
];
