import type { Edit } from "#test/support/domain-copy.ts";

/** What is edited, how, and which views have another fingerprint after it. */
export type Case = readonly [what: string, edits: readonly Edit[], changed: readonly string[]];

const orders = "domain/orders";
const loans = "domain/loans";
const everyView = ["customers@1", "lending@1", "loans@2", "orders@1", "sales@1"];

/** An upcaster for an event of version 1 that has none. */
const withUpcaster = (file: string, event: string, payload: string): readonly Edit[] => [
  [
    file,
    `${event}: { version: 1, payload: ${payload} }`,
    `${event}: { version: 2, payload: ${payload}, upcasters: { 1: (old: never) => old } }`,
  ],
];

const withSettings = (settings: string): readonly Edit[] => [
  [`${orders}/orders-view.ts`, "byKey: true,", `byKey: true, settings: ${settings},`],
];

export const changing: readonly Case[] = [
  ["aggregate type", withSettings(`{ aggregateTypes: ["Order"], batchSize: 9 }`), ["orders@1"]],
  [
    "a function that `project` calls",
    [[`${orders}/orders-view.ts`, `status: "delivered"`, `status: "done"`]],
    ["orders@1"],
  ],
  [
    "`project`",
    [[`${orders}/sales-view.ts`, "before.orders + 1", "before.orders + 2"]],
    ["sales@1"],
  ],
  [
    "`key`",
    [[`${orders}/customers-view.ts`, "event.payload.customerId,", "event.aggregateId,"]],
    ["customers@1"],
  ],
  [
    "a function of another module",
    [
      [`${orders}/values.ts`, /$/, "export const dayIn = (at: string) => at.slice(0, 9);\n"],
      [`${orders}/sales-view.ts`, "{ currency }", "{ currency, dayIn }"],
      [
        `${orders}/sales-view.ts`,
        "event.payload.placedAt.slice(0, 10)",
        "dayIn(event.payload.placedAt)",
      ],
    ],
    ["sales@1"],
  ],
  ["a constant of the kernel", [["kernel/ids.ts", "{0,127}", "{0,63}"]], ["loans@2", "orders@1"]],
  [
    "the function that declares views",
    [
      [
        "domain/decider.ts",
        "return view as unknown as View",
        "return { ...view } as unknown as View",
      ],
    ],
    everyView,
  ],
  [
    "the field of a filter",
    [[`${orders}/orders-view.ts`, `field: "status"`, `field: "state"`]],
    ["orders@1"],
  ],
  [
    "how a filter compares",
    [[`${loans}/lending-view.ts`, `compare: "lte"`, `compare: "eq"`]],
    ["lending@1"],
  ],
  ["the schema of a filter", [[`${orders}/values.ts`, "[A-Z]{3}", "[A-Z]{4}"]], ["sales@1"]],
  [
    "a personal field",
    [[`${orders}/orders-view.ts`, `idField: "orderId"`, `idField: "customerId"`]],
    ["orders@1"],
  ],
  [
    "the schema of a personal field",
    [[`${loans}/values.ts`, `{ email: "email.v1" }`, `{ email: "email.v2" }`]],
    ["loans@2"],
  ],
  [
    "the events that it wants",
    [[`${loans}/loans-view.ts`, `"LoanReturned", "LoanContactChanged"`, `"LoanReturned"`]],
    ["loans@2"],
  ],
  ["its name", [[`${orders}/sales-view.ts`, `"sales"`, `"days"`]], ["days@1", "sales@1"]],
  ["its version", [[`${loans}/loans-view.ts`, "version: 2", "version: 3"]], ["loans@2", "loans@3"]],
  [
    "an upcaster of an event that two views want",
    [[`${loans}/events.ts`, "branch: mainBranch", "branch: loan.itemId"]],
    ["lending@1", "loans@2"],
  ],
  [
    "a constant that the upcaster takes",
    [[`${loans}/values.ts`, `"main"`, `"first"`]],
    ["lending@1", "loans@2"],
  ],
  [
    "a new version of an event that one view wants",
    withUpcaster(`${loans}/events.ts`, "LoanRenewed", "z.strictObject({ dueOn: day })"),
    ["loans@2"],
  ],
  [
    "an upcaster that is put into the record afterwards",
    [[`${loans}/events.ts`, /$/, "events.LoanStarted.upcasters = { 1: (old) => old };\n"]],
    everyView,
  ],
  [
    "a statement whose purpose nobody knows",
    [[`${orders}/commands.ts`, /$/, "z.config({ jitless: true });\n"]],
    everyView,
  ],
];

const tableIn = (name: string): readonly Edit[] => [
  [
    `${orders}/values.ts`,
    /$/,
    `const names = new Map<string, string>();
     const named = (code: string, name: string) => void names.set(code, name);
     const done = named("delivered", "${name}");
     export const nameIn = (code: string) => names.get(code) ?? code;\n`,
  ],
  [`${orders}/sales-view.ts`, "{ currency }", "{ currency, nameIn }"],
  [`${orders}/sales-view.ts`, ".slice(0, 10)", ".slice(0, nameIn(event.type).length)"],
];

const stepPutIn = (branch: string): readonly Edit[] => [
  [
    `${loans}/events.ts`,
    /$/,
    `const put = Object.assign(events.LoanStarted, {
       upcasters: { 1: (loan) => ({ ...loan, branch: "${branch}" }) },
     });\n`,
  ],
];

/** Trees that differ in what is done to a value after it was made. */
export const doneLater: readonly (readonly [
  what: string,
  one: readonly Edit[],
  other: readonly Edit[],
  changed: readonly string[],
])[] = [
  ["a table that calls fill", tableIn("done"), tableIn("gone"), ["sales@1"]],
  [
    "a definition of an event that is put together later",
    stepPutIn("north"),
    stepPutIn("south"),
    ["lending@1", "loans@2"],
  ],
];

export const harmless: readonly Case[] = [
  ["setting of how a view is run", withSettings("{ partitions: 3 }"), []],
  [
    "a comment",
    [[`${orders}/orders-view.ts`, "switch (event.type) {", "// Why.\n  switch (event.type) {"]],
    [],
  ],
  [
    "the layout",
    [
      [`${orders}/orders-view.ts`, /\s*\n\s*/, "\n"],
      [`${orders}/sales-view.ts`, "4_000", "4000"],
      [`${orders}/customers-view.ts`, /"/, "'"],
    ],
    [],
  ],
  [
    "a local name",
    [
      [`${orders}/sales-view.ts`, /\bbefore\b/, "soFar"],
      [`${orders}/orders-view.ts`, /\bfacts\b/, "rest"],
      [`${orders}/orders-view.ts`, "aggregateId: orderId, createdAt", "aggregateId, createdAt"],
      [`${orders}/orders-view.ts`, "return { orderId,", "return { orderId: aggregateId,"],
    ],
    [],
  ],
  [
    "the name of a function and of a constant",
    [
      [`${orders}/orders-view.ts`, /\bchanged\b/, "afterChange"],
      [`${orders}/sales-view.ts`, /\bdaysMax\b/, "rowsMax"],
    ],
    [],
  ],
  [
    "a type",
    [
      [
        `${orders}/sales-view.ts`,
        "readonly revenue: number;",
        "readonly revenue: number | bigint;",
      ],
      [`${orders}/customers-view.ts`, "const isNew =", "const isNew: boolean ="],
      [`${orders}/orders-view.ts`, "as const;", "as { aggregateType: string; idField: string };"],
    ],
    [],
  ],
  [
    "the order of declarations and the module of one",
    [
      [`${orders}/sales-view.ts`, /const day = .*\n/, ""],
      [`${orders}/sales-view.ts`, `import { z } from "zod";`, `import { day } from "./days.ts";`],
      [
        `${orders}/days.ts`,
        /^/,
        `import { z as schema } from "zod";\nexport const day = schema.iso.date("must be a day, as in 2026-11-23");\n`,
      ],
    ],
    [],
  ],
  [
    "a new command with a personal field",
    [
      [
        `${orders}/commands.ts`,
        `"change-contact": `,
        `rename: defineCommand({ body: z.strictObject({ names: nameSchema }) }),\n  "change-contact": `,
      ],
      [`${orders}/commands.ts`, "lines, shippingAddress", "lines, nameSchema, shippingAddress"],
      [
        `${orders}/values.ts`,
        /$/,
        `export const nameSchema = personal(z.strictObject({ name: text(9) }), { subject: "a", label: "b" });\n`,
      ],
    ],
    [],
  ],
  [
    "a decision",
    [[`${orders}/order.ts`, `if (status !== "shipped")`, `if (status === "created")`]],
    [],
  ],
  [
    "a new event type",
    [
      [
        `${loans}/events.ts`,
        "LoanRenewed: {",
        "LoanLost: { version: 1, payload: z.strictObject({ lostOn: day }) },\n  LoanRenewed: {",
      ],
      [
        `${orders}/events.ts`,
        "OrderDelivered: {",
        "OrderLost: { version: 1, payload: z.strictObject({ at: storedInstant }) },\n  OrderDelivered: {",
      ],
    ],
    [],
  ],
  [
    "what an event's payload must be",
    [
      [`${loans}/events.ts`, "itemId: identifier", "itemId: identifier.min(3)"],
      [`${orders}/events.ts`, "text(500)", "text(600)"],
    ],
    [],
  ],
  [
    "an upcaster of an event that no view wants",
    [
      [
        `${loans}/events.ts`,
        "LoanRenewed: {",
        `LoanLost: defineEvent({
           version: 2,
           payload: z.strictObject({ lostOn: day }),
           upcasters: { 1: (old: { day: string }) => ({ lostOn: old.day }) },
         }),
         LoanRenewed: {`,
      ],
    ],
    [],
  ],
  [
    "a definition of an event that is moved out of the record",
    [
      [`${loans}/events.ts`, "export const events = {", "const loanStarted = defineEvent({"],
      [
        `${loans}/events.ts`,
        /LoanStarted: defineEvent\(\{([^]*?)\n  \}\),\n/,
        `version: 2,
         payload: started,
         upcasters: { 1: (loan: Omit<Started, "branch">): Started => ({ ...loan, branch: mainBranch }) },
         });
         export const events = { LoanStarted: loanStarted,\n`,
      ],
    ],
    [],
  ],
];
