import { defineVerb } from "#ops/cli-arguments.ts";

/** `varve bench append|load|project|http`: what it costs, compared within one run. */
export const benchVerb = defineVerb({
  name: "bench",
  description: "Measure, compared within one run",
  verbs: {
    append: async () => (await import("./append-verb.ts")).appendVerb,
    load: async () => (await import("./load-verb.ts")).loadVerb,
    project: async () => (await import("./project-verb.ts")).projectVerb,
    http: async () => (await import("./http-verb.ts")).httpVerb,
    child: async () => (await import("./child-verb.ts")).childVerb,
  },
});
