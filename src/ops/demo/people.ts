import { countryCode } from "./countries.ts";

export type Contact = { readonly name: string; readonly email: string; readonly phone: string };

export type Address = {
  readonly line1: string;
  readonly city: string;
  readonly postcode: string;
  readonly country: string;
};

/** A customer as an order names it: nobody real. */
export type Person = { readonly contact: Contact; readonly shippingAddress: Address };

/** A whole number from 0 to `bound` (exclusive, up to 2^32), the next of a fixed sequence. */
export type Dice = (bound: number) => number;

const given =
  "Ada Bram Cleo Dara Elif Finn Gwen Hugo Iris Jonas Kaya Liam Mina Nils Orla Pavel".split(" ");
const family =
  "Alder Brook Cole Drake Ember Frost Grove Heath Ivers Juniper Kestrel Larch Moor North Oakes Pike".split(
    " ",
  );
const streets = "Harbour Lane,Mill Road,Orchard Way,Station Street,Quarry Hill,Chapel Row".split(
  ",",
);
const cities = "Northmere,Eastwick,Silverford,Larkham,Stonebridge,Westhollow,Marlow Quay".split(
  ",",
);

/** The 32-bit FNV-1a hash of a text: spreads short ids well and needs no secret. */
export function seedOf(text: string): number {
  let hash = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(text)) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash >>> 0;
}

/** A sequence that depends on the seed alone (mulberry32). Not for secrets. */
export function dice(seed: number): Dice {
  let state = seed;
  return (bound) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return Math.floor(((mixed ^ (mixed >>> 14)) >>> 0) * (bound / 2 ** 32));
  };
}

/**
 * The made-up contact and address of a customer: the same for the same id and country at every
 * run, so that a repeated command has the same body. The mail domains are reserved for examples
 * (RFC 2606), and so are the numbers from +44 7700 900000 to 900999 (Ofcom, for drama).
 */
export function madeUpPerson(customerId: string, country: string): Person {
  const seed = seedOf(customerId);
  const roll = dice(seed);
  const pick = (from: readonly string[]): string => from[roll(from.length)] ?? "";
  const [first, last] = [pick(given), pick(family)];
  const tag = seed.toString(16).padStart(8, "0");
  const domain = pick(["example.org", "example.com"]);
  return {
    contact: {
      name: `${first} ${last}`,
      email: `${first}.${last}.${tag}@${domain}`.toLowerCase(),
      phone: `+44 7700 900${String(roll(1000)).padStart(3, "0")}`,
    },
    shippingAddress: {
      line1: `${1 + roll(199)} ${pick(streets)}`,
      city: pick(cities),
      postcode: String(10_000 + roll(90_000)),
      country: countryCode(country),
    },
  };
}
