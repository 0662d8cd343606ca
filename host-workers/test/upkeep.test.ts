// What alarms do: maintenance, snapshots by schedule, rows that grow cold.

import { env, evictDurableObject, runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { describe, expect, it, vi } from "vitest";
import { equal, noise } from "./bytes";
import { ZERO, bytesOf, create, fetchPack, pack, push, pushBody } from "./git";

const HOUR = 3_600_000;

async function repository(name: string) {
  await create(name);
  const packed = await pack(noise(2_000_000));
  await push(name, pushBody(ZERO, packed));
  return { packed, stub: env.REPOSITORY.getByName(name) };
}

// Hours until the next alarm.
async function alarmIn(stub: Awaited<ReturnType<typeof repository>>["stub"]) {
  const time = await runInDurableObject(stub, (_, state) => state.storage.getAlarm());
  return time === null ? null : (time - Date.now()) / HOUR;
}

async function snapshots(name: string): Promise<number> {
  const found = await env.BUCKET?.list({ prefix: `snapshots/${name}/` });
  return found?.objects.filter(({ key }) => key.endsWith("/manifest.json")).length ?? 0;
}

describe("upkeep", () => {
  it("takes a snapshot of what has changed, once, and comes again next day", async () => {
    const { stub } = await repository("t/daily");
    expect(await alarmIn(stub)).toBeLessThanOrEqual(1);
    expect(await runDurableObjectAlarm(stub)).toBe(true);
    expect(await snapshots("t/daily")).toBe(1);
    expect(await alarmIn(stub)).toBeGreaterThan(23);
    expect(await runDurableObjectAlarm(stub)).toBe(true);
    expect(await snapshots("t/daily")).toBe(1);
  });

  it("moves rows that nobody has read for long, then rests", async () => {
    const { packed, stub } = await repository("t/forgotten");
    const warm = await bytesOf(await fetchPack("t/forgotten", packed.tip));
    await runDurableObjectAlarm(stub);
    expect((await stub.usage()).cold).toBe(0);
    await runInDurableObject(stub, (_, state) => {
      state.storage.sql.exec("UPDATE touched SET day = day - 15");
    });
    await evictDurableObject(stub);
    await runDurableObjectAlarm(stub);
    expect((await stub.usage()).cold).toBeGreaterThan(2_000_000);
    await runDurableObjectAlarm(stub);
    expect(await alarmIn(stub)).toBeNull();
    expect(equal(await bytesOf(await fetchPack("t/forgotten", packed.tip)), warm)).toBe(true);
  });

  it("leaves rows where they are that were written long ago, and read today", async () => {
    const { packed, stub } = await repository("t/remembered");
    await runDurableObjectAlarm(stub);
    await runInDurableObject(stub, (_, state) => {
      state.storage.sql.exec("UPDATE touched SET day = day - 15");
    });
    await evictDurableObject(stub);
    await bytesOf(await fetchPack("t/remembered", packed.tip));
    // Once more, in an object that remembers by its rows alone.
    await evictDurableObject(stub);
    await runDurableObjectAlarm(stub);
    expect((await stub.usage()).cold).toBe(0);
    expect(await stub.cool(0)).toBe(true);
    expect((await stub.usage()).cold).toBeGreaterThan(2_000_000);
  });

  it("reads all rows once a month, and logs what is damaged", async () => {
    const { stub } = await repository("t/scrubbed");
    const said: string[] = [];
    vi.spyOn(console, "error").mockImplementation((...words) => void said.push(words.join(" ")));
    const run = async (days: number) => {
      await runInDurableObject(stub, (_, state) => {
        const time = String(Date.now() - days * 24 * HOUR);
        const sql = "UPDATE notes SET value = json_set(value, '$.scrubbed', ?)";
        state.storage.sql.exec(sql, time);
      });
      await evictDurableObject(stub);
      await runDurableObjectAlarm(stub);
    };
    await run(31);
    expect(said).toEqual([]);
    await runInDurableObject(stub, (_, state) => {
      state.storage.sql.exec("UPDATE pages SET value = substr(value, 1, length(value) - 1) || x'00'");
    });
    await run(29);
    expect(said).toEqual([]);
    await run(31);
    expect(said.join()).toContain("t/scrubbed is damaged:\ndamaged row p/%00%00%00%00");
    vi.restoreAllMocks();
  });

  it("tries again later what failed", async () => {
    const { stub } = await repository("t/failing");
    await runInDurableObject(stub, (_, state) => {
      state.storage.sql.exec("UPDATE notes SET value = json_remove(value, '$.name')");
    });
    await evictDurableObject(stub);
    expect(await runDurableObjectAlarm(stub)).toBe(true);
    expect(await snapshots("t/failing")).toBe(0);
    expect(await alarmIn(stub)).toBeLessThan(1);
  });

  it("waits for no time that a wrong clock has noted", async () => {
    const { stub } = await repository("t/clock");
    await runInDurableObject(stub, (_, state) => {
      const later = String(Date.now() + 9000 * HOUR);
      const sql = "UPDATE notes SET value = json_set(value, '$.snapshot', ?, '$.tried', ?)";
      state.storage.sql.exec(sql, later, later);
    });
    await evictDurableObject(stub);
    await runDurableObjectAlarm(stub);
    expect(await snapshots("t/clock")).toBe(1);
  });

  it("leaves out what may have ended it the last time, and takes the snapshot all the same", async () => {
    const { stub } = await repository("t/ended-in-upkeep");
    await runInDurableObject(stub, async (object) => {
      await object.alarm({ retryCount: 1, isRetry: true, scheduledTime: Date.now() });
    });
    expect(await snapshots("t/ended-in-upkeep")).toBe(1);
    const own = () =>
      runInDurableObject(stub, (_, state) => state.storage.sql.exec("SELECT * FROM notes").one());
    expect((await own()).value).toContain('"changed"');
    expect(await alarmIn(stub)).toBeLessThanOrEqual(1);
    await runDurableObjectAlarm(stub);
    expect((await own()).value).not.toContain('"changed"');
  });

  it("takes no snapshot again within the hour after one that failed, though it begins anew", async () => {
    const { stub } = await repository("t/unsaved");
    vi.spyOn(console, "error").mockImplementation(() => undefined);
    let puts = 0;
    const put = async () => {
      puts += 1;
      throw new Error("R2 failed");
    };
    const run = async () => {
      await evictDurableObject(stub);
      await runInDurableObject(stub, (object) => {
        const { upkeep } = object as unknown as { upkeep: { place: object } };
        Object.assign(upkeep.place, { env: { ...env, BUCKET: { put } } });
      });
      await runDurableObjectAlarm(stub);
    };
    await run();
    expect(puts).toBe(1);
    await run();
    expect(puts).toBe(1);
    expect(await alarmIn(stub)).toBeGreaterThan(0.9);
    vi.restoreAllMocks();
  });

  it("keeps what is due when maintenance fails, and says so", async () => {
    const { stub } = await repository("t/unmaintained");
    const said: string[] = [];
    vi.spyOn(console, "error").mockImplementation((...words) => void said.push(words.join(" ")));
    await runInDurableObject(stub, (_, state) => {
      state.storage.sql.exec("UPDATE rows SET value = value || x'00' WHERE key = x'6d'");
    });
    await evictDurableObject(stub);
    await runDurableObjectAlarm(stub);
    expect(said.join("\n")).toContain("maintenance failed: Error: POST /-/maintain: 500");
    const notes = await runInDurableObject(stub, (_, state) =>
      state.storage.sql.exec("SELECT * FROM notes").one(),
    );
    expect(notes.value).toContain('"changed"');
    vi.restoreAllMocks();
  });

  it("has an alarm again after one that the platform gave up", async () => {
    const { packed, stub } = await repository("t/given-up");
    await runInDurableObject(stub, (_, state) => state.storage.deleteAlarm());
    await evictDurableObject(stub);
    await bytesOf(await fetchPack("t/given-up", packed.tip));
    await vi.waitFor(async () => expect(await alarmIn(stub)).toBeGreaterThan(0.9));
  });
});
