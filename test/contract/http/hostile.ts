/**
 * Hostile requests as tables: what is sent, and the refusal that it must get. Each is a test of its
 * own, which also counts the events before and after.
 */
import { expect, test } from "bun:test";

import type { TestApp } from "#test/app.ts";
import { createBody } from "#test/unit/orders/samples.ts";

export type Expected = {
  readonly status: number;
  readonly code: string;
  /** The pointers of `errors`, in order; left out where the problem has none. */
  readonly pointers?: readonly string[];
};

/** Sent to `create` as JSON by POST, unless it says otherwise. */
export type Case = Expected & {
  readonly path?: string;
  readonly body?: NonNullable<RequestInit["body"]>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly method?: string;
};

/** The answer of a body, query or path with faults at those pointers. */
export const invalid = (...pointers: readonly string[]): Expected => ({
  status: 422,
  code: "validation-failed",
  pointers,
});

/** A body of `create` with some of its fields replaced. */
export const but = (fields: Readonly<Record<string, unknown>>): string =>
  JSON.stringify({ ...createBody, ...fields });

export const asJson = { "Content-Type": "application/json" } as const;

/** One test a case: the problem is the expected one, and nothing was stored. */
export function refusesAll(app: () => TestApp, cases: Readonly<Record<string, Case>>): void {
  for (const [title, hostile] of Object.entries(cases)) {
    const { status, code, pointers, path = "/commands/orders/hostile/create" } = hostile;
    test(`the edge answers ${status} ${code} and stores nothing when it gets ${title}`, async () => {
      const before = await app().eventCount();
      const { method = "POST", headers = asJson, body } = hostile;
      const answer = await app().send(path, {
        method,
        headers,
        ...(body === undefined ? {} : { body }),
      });
      const { errors, ...problem } = (await answer.json()) as Record<string, unknown> & {
        errors?: { pointer: string; message: string }[];
      };
      expect({
        status: answer.status,
        contentType: answer.headers.get("Content-Type"),
        type: problem["type"],
        statusMember: problem["status"],
        code: problem["code"],
        requestId: problem["requestId"],
        pointers: errors?.map(({ pointer }) => pointer),
      }).toEqual({
        status,
        contentType: "application/problem+json",
        type: `urn:varve:problem:${code}`,
        statusMember: status,
        code,
        requestId: answer.headers.get("X-Request-Id"),
        pointers: pointers === undefined ? undefined : [...pointers],
      });
      expect(await app().eventCount()).toBe(before);
    });
  }
}
