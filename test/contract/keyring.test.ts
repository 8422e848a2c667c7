import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import type postgres from "postgres";

import type { DataKey } from "#pii/data-key.ts";
import { openMany, sealMany } from "#pii/envelope.ts";
import type { Keyring } from "#pii/keyring.ts";
import type { Pool } from "#store/pool.ts";
import { assertNothingLeftOpen, freshDatabase, type TestDatabase } from "#test/database.ts";
import { openTestKeyring } from "#test/support/keyrings.ts";
import { openSql, openTestPool } from "#test/support/pools.ts";

let database: TestDatabase;
let sql: postgres.Sql;
let pools: Pool[];
beforeEach(async () => {
  database = await freshDatabase();
  sql = openSql(database.url);
  pools = [];
});
afterEach(async () => {
  await Promise.all(pools.map((pool) => pool.close(1_000)));
  await sql.end({ timeout: 1 });
  await assertNothingLeftOpen(database.url);
  await database.drop();
});

/** A keyring of another process: it has a pool of its own and remembers nothing of others. */
function keyring(masterKey?: readonly [id: string, byte: number]): Promise<Keyring> {
  const pool = openTestPool(database.url);
  pools.push(pool);
  return openTestKeyring(pool, masterKey);
}

const codeOf = (outcome: Promise<unknown>): Promise<string> =>
  outcome.then(
    () => "passed",
    (error: Error & { code?: string }) => error.code ?? error.message,
  );

const keyOf = async (ring: Keyring, subject: string): Promise<DataKey> => {
  const key = (await ring.keysForSubjects([subject])).get(subject);
  if (key === undefined) throw new Error("a keyring answers for every subject");
  return key;
};

const statuses = async (): Promise<readonly string[]> => {
  const rows = await sql<{ status: string }[]>`select status from varve.subject_keys order by 1`;
  return rows.map(({ status }) => status);
};

async function fence(ring: Keyring, subject: string, incarnation = 1): Promise<void> {
  const hash = (await ring.subjectHash(subject)).toHex();
  await sql`
    with erasure as (
      insert into varve.erasures (erasure_id, subject_hash)
        values (gen_random_uuid(), decode(${hash}, 'hex')) returning erasure_id, subject_hash
    )
    insert into varve.subject_fences (subject_hash, incarnation, erasure_id)
      select subject_hash, ${incarnation}, erasure_id from erasure`;
}

const place = { stream: "Order-1", label: "order.contact", tenant: "default" };

describe("keys of subjects", () => {
  test("subject gets one key when fifty first writers race over three processes", async () => {
    const rings = await Promise.all([keyring(), keyring(), keyring()]);
    const writers = Array.from({ length: 17 }, () => rings)
      .flat()
      .slice(0, 50);
    const maps = await Promise.all(
      writers.map((ring, n) => ring.keysForSubjects(["all", `s${n % 5}`])),
    );
    const keyIds = new Set(maps.map((map) => map.get("all")?.keyId));
    expect(keyIds.size).toBe(1);
    expect(await statuses()).toEqual(Array(6).fill("active"));
  });

  test("value opens in another process when it was sealed in this one", async () => {
    const [writer, reader] = await Promise.all([keyring(), keyring()]);
    const key = await keyOf(writer, "ada");
    const value = { name: "Ada" };
    const [sealed = ""] = await sealMany([{ ...place, key, value }]);
    const found = (await reader.keysById([key.keyId])).get(key.keyId);
    if (found === undefined || found === "erased") throw new Error("the key is there");
    expect(await openMany([{ ...place, key: found, sealed }])).toEqual([{ ok: true, value }]);
  });

  test("subject is erased when its fence stands and it never had a key", async () => {
    const ring = await keyring();
    await fence(ring, "gone");
    expect(await codeOf(ring.keysForSubjects(["gone"]))).toBe("subject-erased");
    expect(await codeOf(ring.keysForSubjects(["gone", "other"]))).toBe("subject-erased");
    expect(await codeOf(ring.keysForSubjects(["other"]))).toBe("passed");
    expect(await statuses()).toEqual(["active"]);
  });

  test("subject is erased when its fence stands and its key is not shredded yet", async () => {
    await keyOf(await keyring(), "going");
    const ring = await keyring();
    await fence(ring, "going");
    expect(await codeOf(ring.keysForSubjects(["going"]))).toBe("subject-erased");
    expect(await statuses()).toEqual(["active"]);
  });

  test("subject has its key when the fence is of its life before", async () => {
    const ring = await keyring();
    const { keyId } = await keyOf(ring, "returned");
    await fence(ring, "returned", 1);
    await sql`update varve.subject_keys set incarnation = 2`;
    expect((await keyOf(await keyring(), "returned")).keyId).toBe(keyId);
  });

  test("subject is erased when its key is shredded behind the fence", async () => {
    const { keyId } = await keyOf(await keyring(), "shredded");
    const ring = await keyring();
    await fence(ring, "shredded");
    await sql`update varve.subject_keys set status = 'shredded', wrapped = null`;
    expect((await ring.keysById([keyId])).get(keyId)).toBe("erased");
    expect(await codeOf(ring.keysForSubjects(["shredded"]))).toBe("subject-erased");
    expect(await statuses()).toEqual(["shredded"]);
  });
});

describe("keys by id", () => {
  test("key is missing when there is neither a row nor a tombstone", async () => {
    const ring = await keyring();
    const unknown = crypto.randomUUID();
    expect(await codeOf(ring.keysById([unknown]))).toBe("key-missing");
    expect(await statuses()).toEqual([]);
  });

  test("key is tampered with when its row was moved or edited", async () => {
    const ring = await keyring();
    const keys = await ring.keysForSubjects(["a", "b"]);
    const [a, b] = [keys.get("a")?.keyId ?? "", keys.get("b")?.keyId ?? ""];
    await sql`update varve.subject_keys k set wrapped = o.wrapped
      from varve.subject_keys o where k.key_id = ${a} and o.key_id = ${b}`;
    const other = await keyring();
    expect(await codeOf(other.keysById([a]))).toBe("sealed-value-tampered");
    expect(await codeOf(other.keysById([b]))).toBe("passed");
  });

  test("key is under an unknown master key when its row was moved to another", async () => {
    const { keyId } = await keyOf(await keyring(), "a");
    await sql`update varve.subject_keys set kek_id = 'k0'`;
    expect(await codeOf((await keyring()).keysById([keyId]))).toBe("master-key-unknown");
  });

  test("failure is not remembered when the key store is back", async () => {
    const { keyId } = await keyOf(await keyring(), "a");
    const ring = await keyring();
    await sql`alter table varve.subject_keys rename to gone`;
    expect(await codeOf(ring.keysById([keyId]))).toBe("database-refused");
    await sql`alter table varve.gone rename to subject_keys`;
    expect(await codeOf(ring.keysById([keyId]))).toBe("passed");
  });
});

describe("the check at the start", () => {
  test("ring passes when it is asked twice, by three processes at once", async () => {
    const rings = await Promise.all([keyring(), keyring(), keyring()]);
    await Promise.all(rings.map((ring) => ring.verify()));
    await Promise.all(rings.map((ring) => ring.verify()));
    expect([...(await sql`select kek_id from varve.key_canaries`)]).toEqual([{ kek_id: "k1" }]);
  });

  test("ring is refused when its bytes are others under a known id", async () => {
    await (await keyring(["k1", 1])).verify();
    expect(await codeOf((await keyring(["k1", 9])).verify())).toBe("configuration-invalid");
  });

  test("one of two rings is refused when they bring other bytes at the same moment", async () => {
    const rings = await Promise.all([keyring(["k1", 1]), keyring(["k1", 9])]);
    const codes = await Promise.all(rings.map((ring) => codeOf(ring.verify())));
    expect(codes.toSorted()).toEqual(["configuration-invalid", "passed"]);
  });

  test("ring is refused when it lacks the master key of a living key", async () => {
    const ring = await keyring(["k1", 1]);
    await ring.verify();
    await keyOf(ring, "a");
    const other = await keyring(["k2", 2]);
    expect(await codeOf(other.verify())).toBe("configuration-invalid");
    await sql`update varve.subject_keys set status = 'shredded', wrapped = null`;
    expect(await codeOf(other.verify())).toBe("passed");
  });
});
