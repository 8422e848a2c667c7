import { describe, expect, test } from "bun:test";

import { CloudEvent, HTTP } from "cloudevents";

import { cloudEventOf } from "#subscription/delivery/cloud-event.ts";
import { recorded, fact } from "#test/unit/orders/samples.ts";

import { created } from "./samples.ts";

const source = "urn:varve:shop";

describe("an event that leaves", () => {
  test("has every attribute when the store knows all of it", () => {
    expect(cloudEventOf(created, source)).toEqual({
      specversion: "1.0",
      id: "0195549e-0000-7000-8000-000000000001",
      source: "urn:varve:shop",
      type: "varve.Order.OrderCreated",
      subject: "Order-536365",
      time: "2025-03-02T00:30:00.200000Z",
      datacontenttype: "application/json",
      partitionkey: "Order-536365",
      position: "0000000000000101",
      streamversion: 1,
      schemaversion: 1,
      traceparent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
      data: fact.created.payload,
    });
  });

  test("leaves out what is not known, and tells nothing else of metadata", () => {
    const plain = cloudEventOf(recorded(fact.shipped, 2), source);
    expect(Object.keys(plain)).toEqual(
      "specversion id source type subject time datacontenttype partitionkey position streamversion data".split(
        " ",
      ),
    );
    expect(JSON.stringify(cloudEventOf(created, source))).not.toContain("canary");
  });

  test("carries no trace when the metadata holds something else under its name", () => {
    for (const traceparent of ["", "00-0-0-01", 7, null, { a: 1 }]) {
      const event = { ...created, metadata: { traceparent } };
      expect(Object.keys(cloudEventOf(event, source))).not.toContain("traceparent");
    }
  });

  test("is the same text when it is made again", () => {
    const texts = [created, structuredClone(created)].map((event) =>
      JSON.stringify(cloudEventOf(event, source)),
    );
    expect(texts[1]).toBe(texts[0] ?? "");
  });

  test("has positions whose text order is their order up to the greatest", () => {
    const positions = [1, 9, 10, 2 ** 31, Number.MAX_SAFE_INTEGER];
    const texts = positions.map((position) => cloudEventOf({ ...created, position }, source));
    const ordered = texts.map((event) => event.position);
    expect(ordered.toSorted()).toEqual(ordered);
    expect(ordered.map(Number)).toEqual(positions);
    expect(new Set(ordered.map((text) => text.length))).toEqual(new Set([16]));
  });
});

describe("the official SDK", () => {
  const body = JSON.stringify(cloudEventOf(created, source));
  const headers = { "content-type": "application/cloudevents+json" };

  test("finds an event valid, and reads it as it was written", () => {
    const received = HTTP.toEvent({ headers, body });
    expect(received).toBeInstanceOf(CloudEvent);
    const { time, ...event } = (received as CloudEvent<unknown>).toJSON();
    const { time: written, ...sent } = cloudEventOf(created, source);
    expect(event).toEqual(sent);
    // It knows milliseconds only.
    expect(new Date(String(time)).getTime()).toBe(new Date(written).getTime());
  });

  test("finds an event at fault when an attribute breaks the rules", () => {
    const event = cloudEventOf(created, source);
    expect(() => new CloudEvent({ ...event, source: "" })).toThrow();
    expect(() => new CloudEvent({ ...event, streamVersion: 1 })).toThrow("invalid extension name");
    expect(new CloudEvent({ ...event }).validate()).toBe(true);
  });
});
