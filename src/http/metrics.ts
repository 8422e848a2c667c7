import type { AppDependencies } from "./dependencies.ts";
import type { Route } from "./routes.ts";

/** Where the metrics are asked for. */
export const metricsPath = "/metrics";

/** The metrics of this process as Prometheus reads them, open to everyone: no id is in them. */
export const metricsRoutes = ({ metrics }: AppDependencies): readonly Route[] => [
  {
    method: "GET",
    path: metricsPath,
    scope: "public",
    answer: async (context) =>
      context.body(await metrics(), 200, { "Content-Type": "text/plain; version=0.0.4" }),
  },
];
