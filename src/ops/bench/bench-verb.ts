import { defineVerb } from "#ops/cli-arguments.ts";

/** `varve bench append|load|http`: what it costs, compared within one run. */
export const benchVerb = defineVerb({
  name: "bench",
  description: "Measure, compared within one run",
  verbs: {
    append: async () => (await import("./append-verb.ts")).appendVerb,
    load: async () => (await import("./load-verb.ts")).loadVerb,
    http: async () => (await import("./http-verb.ts")).httpVerb,
    child: async () => (await import("./child-verb.ts")).childVerb,
  },
});
