import { expect, test } from "bun:test";

import { knownAnswers, promised, sameEverywhere } from "./known-answers.ts";

test("personal data gives the promised bytes when its input is the published one", async () => {
  expect(await knownAnswers()).toEqual(promised);
});

test("personal data gives the same results as before when its input is the same", async () => {
  expect(await sameEverywhere()).toEqual({
    inOrder: true,
    opened: [{ name: "Łucja 👩‍👩‍👧", age: 41 }, "sealed-value-tampered", "sealed-value-malformed"],
    keyId: "a0a1a2a3-a4a5-a6a7-a8a9-aaabacadaeaf",
    subjectHash: "5964b14d951a61163d89a7fe2457c773e7cb1293c757c1688a5e52b437d48c63",
    hash: "857328a967ed28fc518d939c2db8197a29f321c0024b25df810227215974f15c",
    masks: ["a••@example.org", "••1111", "••b"],
    emails: ["ada@xn--bcher-kva.example", null, null],
  });
});
