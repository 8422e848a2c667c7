/**
 * Country names of the wholesaler's invoices and their two-letter codes (ISO 3166-1). The Channel
 * Islands have no code of their own; Jersey stands for them. `EU` is reserved for the union.
 */
const codes = new Map([
  ["Australia", "AU"],
  ["Austria", "AT"],
  ["Bahrain", "BH"],
  ["Belgium", "BE"],
  ["Brazil", "BR"],
  ["Canada", "CA"],
  ["Channel Islands", "JE"],
  ["Cyprus", "CY"],
  ["Czech Republic", "CZ"],
  ["Denmark", "DK"],
  ["EIRE", "IE"],
  ["European Community", "EU"],
  ["Finland", "FI"],
  ["France", "FR"],
  ["Germany", "DE"],
  ["Greece", "GR"],
  ["Hong Kong", "HK"],
  ["Iceland", "IS"],
  ["Israel", "IL"],
  ["Italy", "IT"],
  ["Japan", "JP"],
  ["Lebanon", "LB"],
  ["Lithuania", "LT"],
  ["Malta", "MT"],
  ["Netherlands", "NL"],
  ["Norway", "NO"],
  ["Poland", "PL"],
  ["Portugal", "PT"],
  ["RSA", "ZA"],
  ["Saudi Arabia", "SA"],
  ["Singapore", "SG"],
  ["Spain", "ES"],
  ["Sweden", "SE"],
  ["Switzerland", "CH"],
  ["USA", "US"],
  ["United Arab Emirates", "AE"],
  ["United Kingdom", "GB"],
]);

/** The code of a country name; a two-letter code is itself; anything else is `ZZ`, unknown. */
export function countryCode(name: string): string {
  return codes.get(name) ?? (/^[A-Z]{2}$/.test(name) ? name : "ZZ");
}
