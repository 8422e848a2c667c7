import { describe, expect, test } from "bun:test";

import { commands as orderCommands } from "#domain/orders/commands.ts";
import { countryCode } from "#ops/demo/countries.ts";
import { planMadeUp } from "#ops/demo/made-up.ts";
import { dice, madeUpPerson } from "#ops/demo/people.ts";

const noon = Date.UTC(2026, 0, 31, 12);

describe("made-up people", () => {
  test("a made-up person is the same when the same customer is asked for again", () => {
    expect(madeUpPerson("c-17850", "United Kingdom")).toEqual({
      contact: {
        name: "Elif Alder",
        email: "elif.alder.653288e6@example.org",
        phone: "+44 7700 900424",
      },
      shippingAddress: { line1: "10 Mill Road", city: "Larkham", postcode: "18131", country: "GB" },
    });
  });

  test("made-up people have mail addresses of their own when their names meet", () => {
    const people = Array.from({ length: 6_000 }, (_, no) => madeUpPerson(`c-${no}`, "France"));
    const names = new Set(people.map(({ contact }) => contact.name));
    const emails = new Set(people.map(({ contact }) => contact.email));
    expect({ names: names.size, emails: emails.size }).toEqual({ names: 256, emails: 6_000 });
  });

  test("dice stay whole and below the bound when the bound exceeds 31 bits", () => {
    const bound = 30 * 86_400_000;
    const roll = dice(7);
    const rolls = Array.from({ length: 1_000 }, () => roll(bound));
    const astray = rolls.filter((roll) => roll < 0 || roll >= bound || !Number.isInteger(roll));
    expect(astray).toEqual([]);
    expect(Math.max(...rolls)).toBeGreaterThan(2 ** 31);
  });

  test("a country code is ZZ when the name is unknown, and a code is itself", () => {
    const names = ["EIRE", "RSA", "Channel Islands", "Unspecified", "", "Atlantis", "NL"];
    expect(names.map(countryCode)).toEqual(["IE", "ZA", "JE", "ZZ", "ZZ", "ZZ", "NL"]);
  });
});

describe("made-up orders", () => {
  test("made-up orders repeat when run and time repeat, and are new in another run", () => {
    const plan = planMadeUp(200, "a", noon);
    expect(planMadeUp(200, "a", noon)).toEqual(plan);
    const other = planMadeUp(200, "b", noon).commands.map(({ orderId }) => orderId);
    const ids = new Set(plan.commands.map(({ orderId }) => orderId));
    expect({ ids: ids.size, shared: other.filter((id) => ids.has(id)) }).toEqual({
      ids: 200,
      shared: [],
    });
  });

  test("made-up orders live through all stages and pass the order's own schema", () => {
    const { commands } = planMadeUp(200, "a", noon);
    const counted = Object.entries(Object.groupBy(commands, ({ command }) => command));
    const counts = Object.fromEntries(counted.map(([command, all]) => [command, all.length]));
    expect(counts).toEqual({ create: 200, ship: 160, deliver: 80, cancel: 40 });
    const refused = commands.filter(
      ({ command, body }) => !orderCommands[command].body.safeParse(body).success,
    );
    expect(refused).toEqual([]);
  });

  test("made-up orders are placed within the thirty days before the run", () => {
    const ages = planMadeUp(1_000, "a", noon).commands.flatMap((planned) =>
      planned.command === "create" ? [noon - Date.parse(planned.body.placedAt)] : [],
    );
    expect(ages.filter((age) => age < 3_600_000 || age > 30 * 86_400_000)).toEqual([]);
  });
});
