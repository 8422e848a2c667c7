import { describe, expect, test } from "bun:test";

import { checkDomainPurity, checkWebStandards } from "./purity.ts";
import { checkRooms } from "./rooms.ts";
import { checkFileSizes, checkFunctionSizes, checkKernel } from "./sizes.ts";
import { importsOf, readSources } from "./source.ts";
import type { Source, Violation } from "./source.ts";
import { checkFocus, checkSqlHeaders, checkSuppressions, checkTopLevel } from "./texts.ts";

type Check = (sources: readonly Source[]) => readonly Violation[];

const messages = (check: Check, path: string, text: string): readonly string[] =>
  check([{ path, text }]).map(({ message }) => message);

describe("importsOf", () => {
  test("every kind is seen when a file has them all", () => {
    const text = `import a from "a";
import type { B } from "b";
import "c";
export { d } from "d";
export type { E } from "e";
export * from "f";
const g = await import("g");
type H = import("h").H;
const i = await import(a);
export const j = 1;
`;
    expect(importsOf({ path: "src/http/a.ts", text })).toEqual([
      { target: "a", line: 1 },
      { target: "b", line: 2 },
      { target: "c", line: 3 },
      { target: "d", line: 4 },
      { target: "e", line: 5 },
      { target: "f", line: 6 },
      { target: "g", line: 7 },
      { target: "h", line: 8 },
      { target: null, line: 9 },
    ]);
  });

  test("parser refuses when a file is not TypeScript", () => {
    expect(() => importsOf({ path: "src/http/a.ts", text: "import from from" })).toThrow();
  });

  test("reader finds nothing when the folder is empty", () => {
    expect(readSources(import.meta.dir, "none", ".ts")).toEqual([]);
  });
});

describe("checkRooms", () => {
  const refused: readonly (readonly [string, string, string])[] = [
    ["src/kernel/ids.ts", `import "#store/pool.ts";`, "kernel may not import the room store"],
    ["src/kernel/ids.ts", `import "hono";`, "kernel may not import the package hono"],
    ["src/domain/a/a.ts", `import "node:fs";`, "domain uses web standards only, not node:fs"],
    ["src/domain/a/a.ts", `import "fs";`, "domain may not import the package fs"],
    ["src/domain/a/a.ts", `import "#pii/seal.ts";`, "domain may not import the room pii"],
    ["src/domain/a/a.ts", `import "#sql/query/a.sql";`, "domain may not import the room sql"],
    ["src/pii/a.ts", `import { z } from "zod";`, "pii may not import the package zod"],
    ["src/store/a.ts", `import type { A } from "#domain/a.ts";`, domainOf("store")],
    ["src/store/a.ts", `export * from "#domain/a.ts";`, domainOf("store")],
    ["src/store/a.ts", `type A = import("#domain/a.ts").A;`, domainOf("store")],
    ["src/store/a.ts", `const a = import("#domain/a.ts");`, domainOf("store")],
    ["src/command/a.ts", `import "#http/app.ts";`, "command may not import the room http"],
    ["src/command/a.ts", `import "bun";`, "command uses web standards only, not bun"],
    ["src/subscription/a.ts", `import "#command/a.ts";`, commandOf("subscription")],
    ["src/query/a.ts", `import "#command/a.ts";`, commandOf("query")],
    ["src/http/a.ts", `import "#store/pool.ts";`, "http may not import the room store"],
    ["src/http/a.ts", `import "postgres";`, "http may not import the package postgres"],
    ["src/http/a.ts", `import "bun:sqlite";`, "http uses web standards only, not bun:sqlite"],
    ["src/telemetry/a.ts", `import "#query/a.ts";`, "telemetry may not import the room query"],
    ["src/ops/a.ts", `import "#http/app.ts";`, "ops may not import the room http"],
    ["src/ops/a.ts", `import "#test/database.ts";`, "ops may not import the room test"],
    ["src/ops/b/a.ts", `import "../a.ts";`, `"../a.ts" goes up: write #room/file.ts`],
    ["src/ops/a.ts", `import "./b/../../main.ts";`, goesUp("./b/../../main.ts")],
    ["src/ops/a.ts", `import "#ops/b.ts";`, `"#ops/b.ts" is in this folder: write ./`],
    ["src/ops/a.ts", `import "/etc/a.ts";`, `"/etc/a.ts" is no module`],
    ["src/ops/a.ts", `import "https://a.example/a.ts";`, `"https://a.example/a.ts" is no module`],
    ["src/ops/a.ts", `const a = import(name);`, "import() of a computed name cannot be checked"],
    ["src/main.ts", `import "./main.ts";`, "main.ts is imported by nobody"],
    ["src/ops/a.ts", `import "#main.ts";`, "main.ts is imported by nobody"],
    ["src/misc/a.ts", ``, "belongs to no room"],
    ["src/util.ts", ``, "belongs to no room"],
  ];
  for (const [path, text, message] of refused) {
    test(`rule reports it when ${path} has ${text || "no room"}`, () => {
      expect(messages(checkRooms, path, text)).toEqual([message]);
    });
  }

  const allowed: readonly (readonly [string, string])[] = [
    ["src/domain/a/a.ts", `import { z } from "zod"; import "#domain/decider.ts"; import "./b.ts";`],
    ["src/store/a.ts", `import postgres from "postgres"; import "#sql/query/a.sql"; import "bun";`],
    ["src/http/a.ts", `import "hono/cors"; import "@hono/zod-validator"; import "#query/a.ts";`],
    ["src/main.ts", `import "#http/app.ts"; import "./ops/cli.ts"; import "node:os";`],
  ];
  for (const [path, text] of allowed) {
    test(`rule is silent when ${path} has ${text}`, () => {
      expect(messages(checkRooms, path, text)).toEqual([]);
    });
  }

  function domainOf(room: string): string {
    return `${room} may not import the room domain`;
  }
  function commandOf(room: string): string {
    return `${room} may not import the room command`;
  }
  function goesUp(target: string): string {
    return `"${target}" goes up: write #room/file.ts`;
  }
});

describe("checkWebStandards", () => {
  for (const room of ["kernel", "domain", "pii", "command", "query", "http"]) {
    test(`rule reports it when ${room} names Bun`, () => {
      expect(messages(checkWebStandards, `src/${room}/a.ts`, "Bun.sleep(1);")).toEqual([
        "Bun is not a web standard",
      ]);
    });
  }

  const text = "const a = globalThis.Bun, b = process.env, c = Buffer, d = { Bun };";

  test("rule reports each when a file names several", () => {
    expect(messages(checkWebStandards, "src/pii/a.ts", text)).toEqual([
      "Bun is not a web standard",
      "process is not a web standard",
      "Buffer is not a web standard",
      "Bun is not a web standard",
    ]);
  });

  test("rule is silent when the name is only a property's", () => {
    const labels = "const a = { process: 1 }; a.process; type A = { Buffer: string };";
    expect(messages(checkWebStandards, "src/pii/a.ts", labels)).toEqual([]);
  });

  test("rule is silent when the name is a parameter's or a variable's", () => {
    const local = "const a = (process: A) => process.b; { const { Buffer } = c; Buffer.d; }";
    expect(messages(checkWebStandards, "src/pii/a.ts", local)).toEqual([]);
  });

  test("rule reports it when the name is bound only elsewhere", () => {
    const elsewhere = "const a = (process: A) => process.b; process.exit();";
    expect(messages(checkWebStandards, "src/pii/a.ts", elsewhere)).toEqual([
      "process is not a web standard",
    ]);
  });

  test("rule is silent when another room names Bun", () => {
    expect(messages(checkWebStandards, "src/store/a.ts", text)).toEqual([]);
  });
});

describe("checkDomainPurity", () => {
  const reported: readonly (readonly [string, string])[] = [
    ["const a = Date.now();", "Date.now"],
    ["const a = new Date();", "new Date()"],
    ["const a = Date();", "Date()"],
    ["const a = Math.random();", "Math.random"],
    ["const a = crypto.randomUUID();", "crypto"],
    ["const a = globalThis.crypto;", "crypto"],
    ["const a = performance.now();", "performance"],
    ["setTimeout(f, 1);", "setTimeout"],
    ["await fetch(url);", "fetch"],
  ];
  for (const [text, what] of reported) {
    test(`rule reports it when the domain has ${text}`, () => {
      expect(messages(checkDomainPurity, "src/domain/a/a.ts", text)).toEqual([
        `the domain may not use ${what}: it enters with the command`,
      ]);
    });
  }

  test("rule is silent when a given time is read", () => {
    const text = "const a = new Date(at).getTime(), b = Date.parse(at), c = Math.round(1.5);";
    expect(messages(checkDomainPurity, "src/domain/a/a.ts", text)).toEqual([]);
  });
});

describe("sizes", () => {
  const lines = (count: number): string => "const a = 1;\n".repeat(count);

  test("rule reports a file when it has 301 lines", () => {
    expect(checkFileSizes([{ path: "src/a/a.ts", text: lines(300) }])).toEqual([]);
    expect(checkFileSizes([{ path: "src/a/a.ts", text: lines(301) }])).toEqual([
      { path: "src/a/a.ts", line: 301, message: "301 lines, at most 300" },
    ]);
  });

  test("rule reports a function when it has 71 lines", () => {
    const short = `\nconst a = () => {\n${lines(68)}};`;
    const long = `\nexport function a() {\n${lines(69)}}`;
    expect(checkFunctionSizes([{ path: "src/a/a.ts", text: short }])).toEqual([]);
    expect(checkFunctionSizes([{ path: "src/a/a.ts", text: long }])).toEqual([
      { path: "src/a/a.ts", line: 2, message: "a function of 71 lines, at most 70" },
    ]);
  });

  test("rule reports the kernel when it has another file or 301 lines", () => {
    const ids = { path: "src/kernel/ids.ts", text: lines(300) };
    const more = { path: "src/kernel/more.ts", text: lines(1) };
    expect(checkKernel([ids])).toEqual([]);
    expect(checkKernel([ids, more]).map(({ path, message }) => [path, message])).toEqual([
      ["src/kernel/more.ts", "is not in the kernel's list of files"],
      ["src/kernel", "301 lines in all, at most 300"],
    ]);
  });
});

describe("texts", () => {
  test("rule reports a suppression when it has no reason", () => {
    const text = `// oxlint-disable-next-line no-console
// @ts-expect-error
// oxlint-disable-next-line no-console --
// @ts-ignore with a reason, but it would outlive its cause
/* oxlint-disable no-console -- the command line prints */
// @ts-expect-error The field is sealed.
// A comment that mentions @ts-expect-error.
`;
    expect(checkSuppressions([{ path: "src/a/a.ts", text }]).map(({ line }) => line)).toEqual([
      1, 2, 3, 4,
    ]);
  });

  test("rule reports a test when it is focused", () => {
    const text = `test("a", f);\ntest.only("b", f);\ndescribe.only("c", f);\na.only();\n`;
    expect(checkFocus([{ path: "test/a.test.ts", text }]).map(({ line }) => line)).toEqual([2, 3]);
  });

  test("rule reports SQL when it does not open with a comment", () => {
    const path = "sql/query/a.sql";
    expect(messages(checkSqlHeaders, path, "-- What is asked.\nselect 1;")).toEqual([]);
    for (const text of ["select 1; -- late", "--\nselect 1;", ""]) {
      expect(messages(checkSqlHeaders, path, text)).toEqual(["does not open with a comment"]);
    }
  });

  test("rule reports a name when it is new at the top level", () => {
    expect(checkTopLevel(["src", ".gitignore", "README.md", "scripts", "knip.json"])).toEqual([
      { path: "scripts", line: 1, message: "does not belong to the top level" },
      { path: "knip.json", line: 1, message: "does not belong to the top level" },
    ]);
  });
});
