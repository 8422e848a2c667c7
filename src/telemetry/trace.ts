import {
  type Attributes,
  isSpanContextValid,
  type Span,
  SpanStatusCode,
  trace,
  TraceFlags,
} from "@opentelemetry/api";

/**
 * Spans through the OpenTelemetry API alone: until an SDK is registered they are recorded by
 * nobody and cost well under a microsecond. A failed span carries the error's code and type, never
 * its message, which may quote a value.
 */

const tracer = trace.getTracer("varve");

/**
 * Runs inside a span, which ends when the result has settled. What `run` throws goes on unchanged.
 * Attributes must not be personal or secret.
 */
export function inSpan<Value>(
  name: string,
  attributes: Attributes,
  run: (span: Span) => Promise<Value>,
): Promise<Value> {
  return tracer.startActiveSpan(name, { attributes }, async (span) => {
    try {
      return await run(span);
    } catch (error) {
      fail(span, error);
      throw error;
    } finally {
      span.end();
    }
  });
}

function fail(span: Span, error: unknown): void {
  const type = error instanceof Error ? error.name : typeof error;
  const code = error instanceof Error && "code" in error ? String(error.code) : type;
  span.setAttribute("error.type", code);
  span.setStatus({ code: SpanStatusCode.ERROR, message: code });
}

/** The `traceparent` header of the active span; undefined outside one. Source: W3C Trace Context. */
export function traceparent(): string | undefined {
  const context = trace.getActiveSpan()?.spanContext();
  if (context === undefined || !isSpanContextValid(context)) return undefined;
  const flags = (context.traceFlags & TraceFlags.SAMPLED).toString(16).padStart(2, "0");
  return `00-${context.traceId}-${context.spanId}-${flags}`;
}

/** The ids of the active span as log fields; empty outside one. */
export function activeTrace(): { readonly traceId?: string; readonly spanId?: string } {
  const context = trace.getActiveSpan()?.spanContext();
  if (context === undefined || !isSpanContextValid(context)) return {};
  return { traceId: context.traceId, spanId: context.spanId };
}
