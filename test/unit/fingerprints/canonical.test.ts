import { describe, expect, test } from "bun:test";

import { parseProgram, textOf } from "#ops/fingerprints/program.ts";

/** The text of what `view` is made of. */
function textIn(code: string): string {
  const program = parseProgram(code);
  const unit = program.unitOf.get("view");
  if (unit === undefined) throw new Error("there is no view");
  return textOf(program, unit);
}

type Pair = readonly [what: string, one: string, other: string];

const same: readonly Pair[] = [
  ["layout and comments", "var view = (a) => { return a; };", "var view=(a)=>{return a /* ! */}"],
  ["numbers", "var view = [4000, 16, 1.5];", "var view = [4_000, 0x10, 15e-1];"],
  ["quotes", `var view = { "a": 'b' };`, `var view = { a: "b" };`],
  ["a parameter", "var view = (a, b) => a - b;", "var view = (b, a) => b - a;"],
  [
    "one of two functions' names for the same",
    "var view = [(e) => e.id, (e) => e.name];",
    "var view = [(e) => e.id, (event) => event.name];",
  ],
  ["a field taken out", "var view = ({ a }) => ({ a });", "var view = ({ a: b }) => ({ a: b });"],
  [
    "variables of blocks",
    "var view = (n) => { for (let i = 0; i < n; i++) { const j = i; n -= j; } };",
    "var view = (i) => { for (let n = 0; n < i; n++) { const k = n; i -= k; } };",
  ],
  [
    "what was caught",
    "var view = () => { try { f(); } catch (e) { return e; } };",
    "var view = () => { try { f(); } catch (error) { return error; } };",
  ],
  [
    "a class",
    "var view = () => { class A { static a = A; } return A; };",
    "var view = () => { class B { static a = B; } return B; };",
  ],
  [
    "a function's own name",
    "var view = function f(n) { return n && f(n - 1); };",
    "var view = function g(n) { return n && g(n - 1); };",
  ],
  [
    "names of the top level",
    "function f() { return limit; } var limit = 3; var view = () => f();",
    "var limit2 = 3; var view = () => f2(); function f2() { return limit2; }",
  ],
  [
    "imports",
    `import { z } from "zod"; var view = z.int();`,
    `import { y, z as z2 } from "zod"; var view = z2.int(), other = y;`,
  ],
  ["what is beside it", "var view = 1;", "var view = 1; var other = f(view); function g() {}"],
  [
    "what is written and never read",
    "var marks = new Map; var mark = (a) => { marks.set(a, 1); return a; }; var view = mark(1);",
    "var marks = new Map; var mark = (a) => { marks.set(a, 1); return a; }; var view = mark(1), b = mark(2);",
  ],
];

const other: readonly Pair[] = [
  ["a value", "var view = 1;", "var view = '1';"],
  ["a key", "var view = { a: 1 };", "var view = { b: 1 };"],
  ["the field taken out", "var view = ({ a }) => a;", "var view = ({ b }) => b;"],
  ["the order of parameters", "var view = (a, b) => a - b;", "var view = (a, b) => b - a;"],
  ["a pattern", "var view = /a/;", "var view = /a/i;"],
  ["a text with a hole", "var view = (a) => `${a}|`;", "var view = (a) => `${a}-`;"],
  ["a large integer", "var view = 1n;", "var view = 2n;"],
  ["an infinite number", "var view = 1e999;", "var view = null;"],
  ["a global", "var view = Math.max;", "var view = Math.min;"],
  ["a local that hides it", "var view = (a) => b;", "var view = (b) => b;"],
  ["an operator", "var view = (a) => a ?? 1;", "var view = (a) => a || 1;"],
  ["a chain", "var view = (a) => a?.b;", "var view = (a) => a.b;"],
  [
    "a constant it reaches",
    "var limit = 3; var f = () => limit; var view = () => f();",
    "var limit = 4; var f = () => limit; var view = () => f();",
  ],
  [
    "a constant that a default takes past a variable of its name",
    "var limit = 3; var view = (a = limit) => { var limit = 1; return a; };",
    "var limit = 4; var view = (a = limit) => { var limit = 1; return a; };",
  ],
  [
    "a constant that a switch is on past a variable of its name",
    "var kind = 3; var view = () => { switch (kind) { case 1: let kind = 1; return kind; } };",
    "var kind = 4; var view = () => { switch (kind) { case 1: let kind = 1; return kind; } };",
  ],
  [
    "a parameter and a variable of its name",
    "var view = (a) => { var a; return a; };",
    "var view = (a) => { var b; return b; };",
  ],
  ["a package", `import { z } from "zod"; var view = z;`, `import { z } from "zed"; var view = z;`],
  [
    "what is assigned later",
    "var view = {}; var f = () => { view.a = 1; return 1; }; var b = f();",
    "var view = {}; var f = () => { view.a = 2; return 1; }; var b = f();",
  ],
  [
    "what is registered by a call beside it",
    "var all = new Map; var add = (k, v) => all.set(k, v); var a = add('a', 1); var view = () => all.get('a');",
    "var all = new Map; var add = (k, v) => all.set(k, v); var a = add('a', 2); var view = () => all.get('a');",
  ],
  [
    "what is registered by what was registered",
    "var one = []; var two = []; var a = (two.push(3), 1); var b = (one.push(...two), 1); var view = () => one[0];",
    "var one = []; var two = []; var a = (two.push(4), 1); var b = (one.push(...two), 1); var view = () => one[0];",
  ],
  [
    "what is defined on it",
    "var view = {}; var a = Object.defineProperty(view, 'a', { value: 1 });",
    "var view = {}; var a = Object.defineProperty(view, 'a', { value: 2 });",
  ],
  ["a bare statement", "var view = 1; f(1);", "var view = 1; f(2);"],
];

describe("the text of a view", () => {
  test.each(same)("text stays when another way of writing differs: %s", (_, one, two) => {
    expect(textIn(two)).toBe(textIn(one));
  });

  test.each(other)("text changes when the code differs: %s", (_, one, two) => {
    expect(textIn(two)).not.toBe(textIn(one));
  });
});
