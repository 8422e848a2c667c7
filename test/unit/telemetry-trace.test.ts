import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { AsyncLocalStorage } from "node:async_hooks";

import {
  type Attributes,
  type Context,
  context,
  ROOT_CONTEXT,
  type Span,
  trace,
  type Tracer,
} from "@opentelemetry/api";

import { VarveError } from "#kernel/errors.ts";
import { activeTrace, inSpan, traceparent } from "#telemetry/trace.ts";

const traceId = "0af7651916cd43dd8448eb211c80319c";
const spanId = "b7ad6b7169203331";

test("a span runs its work and has no trace when no SDK is registered", async () => {
  const seen = await inSpan("append", {}, async () => [traceparent(), activeTrace()]);
  expect(seen).toEqual([undefined, {}]);
});

/** What a registered SDK would be told of a span. */
type Told = { name: string; attributes: Attributes; status: unknown; ended: boolean };

describe("with an SDK", () => {
  const told: Told[] = [];

  beforeAll(() => {
    const store = new AsyncLocalStorage<Context>();
    context.setGlobalContextManager({
      active: () => store.getStore() ?? ROOT_CONTEXT,
      with: (active, run, self, ...args) => store.run(active, () => run.apply(self, args)),
      bind: (_, target) => target,
      enable() {
        return this;
      },
      disable() {
        return this;
      },
    });
    trace.setGlobalTracerProvider({ getTracer: () => recorder(told) });
  });

  afterAll(() => {
    trace.disable();
    context.disable();
  });

  test("the active span is known to the log and to calls that go out", async () => {
    const seen = await inSpan("append", { batch: 3 }, async () => {
      await Promise.resolve();
      return [traceparent(), activeTrace()];
    });
    expect(seen).toEqual([`00-${traceId}-${spanId}-01`, { traceId, spanId }]);
    expect(traceparent()).toBeUndefined();
    expect(told.splice(0)).toEqual([
      { name: "append", attributes: { batch: 3 }, status: undefined, ended: true },
    ]);
  });

  test("a span that fails carries the code and not the message, and the error goes on", async () => {
    const error = new VarveError("database-timeout", "secret words");
    const failing = inSpan("append", {}, () => Promise.reject(error));
    expect(await failing.catch((thrown: unknown) => thrown)).toBe(error);
    expect(told.splice(0)).toEqual([
      {
        name: "append",
        attributes: { "error.type": "database-timeout" },
        status: { code: 2, message: "database-timeout" },
        ended: true,
      },
    ]);
  });
});

function recorder(told: Told[]): Tracer {
  const startSpan: Tracer["startSpan"] = (name, options) => {
    const entry: Told = {
      name,
      attributes: { ...options?.attributes },
      status: undefined,
      ended: false,
    };
    told.push(entry);
    return {
      spanContext: () => ({ traceId, spanId, traceFlags: 1 }),
      setAttribute(key: string, value: string) {
        entry.attributes[key] = value;
        return this;
      },
      setStatus(status: unknown) {
        entry.status = status;
        return this;
      },
      end() {
        entry.ended = true;
      },
    } as unknown as Span;
  };
  return {
    startSpan,
    startActiveSpan: (name: string, options: object, run: (span: Span) => unknown) => {
      const span = startSpan(name, options);
      return context.with(trace.setSpan(context.active(), span), () => run(span));
    },
  } as Tracer;
}
