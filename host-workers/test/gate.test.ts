// Who may run, in how much memory.

import { describe, expect, it, vi } from "vitest";
import { MEMORY_MAX } from "../src/engine";
import { Crowded, Gate, type Lease } from "../src/gate";

function holder(size = 0) {
  return { size, drop: () => undefined };
}

describe("the gate", () => {
  it("lets one run at a time that may grow to the most, beside those that rest", async () => {
    const gate = new Gate();
    const runs: string[] = [];
    const run = async (name: string, size: number) => {
      const own = holder();
      const lease = gate.enter(name, own);
      for (const step of [1, 2]) {
        await lease.run(async () => {
          runs.push(`${name}${step}`);
          own.size = size;
          await scheduler.wait(1);
          expect(gate.held()).toBeLessThanOrEqual(80 << 20);
        });
      }
      lease.end();
    };
    await Promise.all(["a", "b", "c", "d"].map((name) => run(name, MEMORY_MAX)));
    expect(runs.length).toBe(8);
    expect(gate.held()).toBe(0);
    expect(gate.peak).toBeGreaterThan(MEMORY_MAX);
  });

  it("lets hundreds of small ones be there at once", async () => {
    const gate = new Gate();
    for (let number = 0; number < 300; number += 1) {
      const own = holder();
      await gate.enter("a", own).run(async () => void (own.size = 64 << 10));
    }
    expect(gate.count("a")).toBe(300);
  });

  it("sends a crowd away", async () => {
    const gate = new Gate();
    for (const name of ["a", "b"]) {
      const own = holder();
      await gate.enter(name, own).run(async () => void (own.size = MEMORY_MAX));
    }
    const waiting = Array.from({ length: 64 }, () => gate.enter("c", holder()));
    let isOpen = false;
    const all = Promise.all(waiting.map((lease) => lease.run(async () => isOpen)));
    expect(() => gate.enter("d", holder())).toThrow(Crowded);
    isOpen = true;
    gate.forget("a");
    gate.forget("b");
    expect((await all).every((opened) => opened)).toBe(true);
    gate.enter("d", holder());
  });

  it("does a host's own work one at a time, and sends no request away for it", async () => {
    const gate = new Gate();
    let [running, most] = [0, 0];
    const work = async () => {
      running += 1;
      most = Math.max(most, running);
      expect(gate.held()).toBe(MEMORY_MAX);
      await scheduler.wait(1);
      running -= 1;
    };
    const all = Array.from({ length: 70 }, (_, at) => gate.apart(`${at}`, work));
    expect(await gate.enter("a", holder()).run(async () => true)).toBe(true);
    await Promise.all(all);
    expect([most, gate.held()]).toEqual([1, 0]);
  });

  it("counts nobody who was ended while he waited", async () => {
    const gate = new Gate(50);
    const crowd = async (owner: string) => {
      const never = vi.spyOn(scheduler, "wait").mockReturnValue(new Promise(() => undefined));
      for (let number = 0; number < 64; number += 1) {
        void gate.enter(owner, holder()).run(async () => undefined);
      }
      await Promise.resolve();
      never.mockRestore();
    };
    for (const name of ["a", "b"]) {
      await gate.enter(name, holder(MEMORY_MAX)).run(async () => undefined);
    }
    // Some begin again, and some never.
    await crowd("ended");
    expect(() => gate.enter("c", holder())).toThrow(Crowded);
    gate.forget("ended");
    gate.enter("c", holder()).end();
    await crowd("gone");
    expect(() => gate.enter("c", holder())).toThrow(Crowded);
    await scheduler.wait(60);
    gate.enter("c", holder()).end();
    expect(gate.count("gone")).toBe(0);
  });

  it("cuts off who takes nothing while others wait, and never who waits", async () => {
    const gate = new Gate(50);
    const [dropped, ran]: [string[], string[]] = [[], []];
    const enter = async (name: string, size: number) => {
      const own = { size: 0, drop: () => void dropped.push(name) };
      const lease = gate.enter(name, own);
      await lease.run(async () => void (own.size = size));
      return lease;
    };
    const waiting = [await enter("a", 1 << 20), await enter("b", 1 << 20)];
    await enter("slow", 46 << 20);
    await enter("slower", MEMORY_MAX);
    await scheduler.wait(60);
    const run = async (lease: Lease) => await lease.run(async () => void ran.push(lease.owner));
    await Promise.all(waiting.map(run));
    expect([dropped, ran.sort()]).toEqual([["slow", "slower"], ["a", "b"]]);
  });

  it("is not in anybody's way for long who has done nothing for too long", async () => {
    const gate = new Gate(60_000);
    for (const name of ["slow", "slower"]) {
      const own = holder();
      const lease = gate.enter(name, own);
      await lease.run(async () => void (own.size = 30 << 20));
      lease.touched -= 61_000;
    }
    const begun = Date.now();
    await gate.enter("a", holder()).run(async () => undefined);
    expect(Date.now() - begun).toBeLessThan(30_000);
    expect(gate.count("slow") + gate.count("slower")).toBe(0);
  });

  it("forgets who was ended at work, and will never say so", async () => {
    const gate = new Gate(10, 50);
    const dropped: string[] = [];
    for (const name of ["a", "b"]) {
      const own = { size: MEMORY_MAX, drop: () => void dropped.push(name) };
      void gate.enter(name, own).run(() => new Promise(() => undefined));
    }
    const begun = Date.now();
    expect(await gate.enter("c", holder()).run(async () => true)).toBe(true);
    expect(Date.now() - begun).toBeGreaterThanOrEqual(50);
    expect(dropped).toEqual(["a", "b"]);
  });
});
