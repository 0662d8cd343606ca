// What requests cost: rows read and written are billed.

import { env, evictDurableObject, runInDurableObject } from "cloudflare:test";
import { describe, expect, it, vi } from "vitest";
import { KEPT_MAX, Shelf } from "../src/cache";
import { meter } from "../src/metrics";
import type { Rows } from "../src/storage";
import { Reader } from "../src/tier";
import { noise } from "./bytes";
import { type Packed, ZERO, bytesOf, create, fetchPack, pack, push, pushBody, refs } from "./git";

const PATIENCE = { timeout: 20_000, interval: 50 };

async function counted(repository: string, requests: number): Promise<[number, number]> {
  const text = await vi.waitFor(async () => {
    const found = await meter(env).text(repository);
    expect(found).toContain(`requests_total{repository="${repository}"} ${requests}\n`);
    return found;
  }, PATIENCE);
  const value = (name: string) =>
    Number(new RegExp(`rows_${name}_total\\{[^}]*\\} (\\d+)`).exec(text)?.[1]);
  return [value("read"), value("written")];
}

describe("rows", () => {
  it("that never change are expected at once, as others, while they are warm", async () => {
    const name = "t/expected";
    await create(name);
    const done = await runInDurableObject(env.REPOSITORY.getByName(name), (object) => {
      const { rows } = object as unknown as { rows: Rows };
      const reader = new Reader(rows, undefined, true);
      const row = { key: Uint8Array.of(0x70, 0x2f, 1), value: new Uint8Array(9) };
      const other = { key: row.key, value: new Uint8Array(8) };
      return [[], [row], [other]].map((expects) => reader.commit(expects, [row]));
    });
    expect(done).toEqual([true, true, false]);
  });

  it("are few for each request, and fewer while the object lives", async () => {
    const name = "t/rows";
    let requests = 1;
    await create(name);
    const check = async (work: () => Promise<unknown>, read: number, written: number) => {
      const before = await counted(name, requests);
      await work();
      requests += 1;
      const after = await counted(name, requests);
      const [isRead, isWritten] = [after[0] - before[0], after[1] - before[1]];
      expect(isRead, `rows read by ${work}`).toBeLessThanOrEqual(read);
      expect(isWritten, `rows written by ${work}`).toBeLessThanOrEqual(written);
    };
    const evict = () => evictDurableObject(env.REPOSITORY.getByName(name));
    const send = async (old: string, packed: Packed) =>
      expect((await push(name, pushBody(old, packed))).text).toContain("unpack ok");
    const list = async () => await bytesOf(await refs(name));
    const clone = async (packed: Packed) => await bytesOf(await fetchPack(name, packed.tip));
    const first = await pack(noise(50_000));
    const second = await pack(noise(500, 2), "second");
    const third = await pack(noise(500, 3), "third");
    await check(() => send(ZERO, first), 2, 6);
    await check(list, 2, 0);
    await check(() => send(first.tip, second), 0, 5);
    await check(() => clone(second), 2, 0);
    await evict();
    await check(list, 5, 0);
    await evict();
    await check(() => clone(second), 7, 0);
    await evict();
    await check(() => send(second.tip, third), 7, 5);
  });
});

describe("what is kept in memory", () => {
  const row = (size: number) => ({ bytes: new Uint8Array(size), page: undefined });

  it("is bounded, and the longest unused goes first", () => {
    const shelf = new Shelf(10_000);
    const [a, b] = [shelf.open("a"), shelf.open("b")];
    a.put("1", row(4000));
    a.put("2", row(1000));
    b.put("1", row(3000));
    a.get("1");
    b.put("2", row(2000));
    expect([a.get("1")?.bytes.length, a.get("2")]).toEqual([4000, undefined]);
    expect([b.get("1")?.bytes.length, b.get("2")?.bytes.length]).toEqual([3000, 2000]);
    for (let number = 0; number < 100; number += 1) b.put(`more${number}`, row(900));
    expect(shelf.bytes).toBeLessThanOrEqual(10_000);
    expect(a.get("1")).toBeUndefined();
  });

  it("keeps no large value, and none of an object that has begun anew", () => {
    const shelf = new Shelf(1 << 20);
    const old = shelf.open("a");
    old.put("1", row(10));
    old.put("large", row(KEPT_MAX + 1));
    expect(old.get("large")).toBeUndefined();
    const anew = shelf.open("a");
    old.put("2", row(10));
    expect([old.get("1"), old.get("2"), anew.get("1"), shelf.bytes]).toEqual([
      undefined, undefined, undefined, 0,
    ]);
  });
});
