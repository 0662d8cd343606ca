// Storage that fails in the middle of a request: the client is told, the refs are the old or the
// new ones, and the next request is served.

import { evictDurableObject } from "cloudflare:test";
import { describe, expect, it, vi } from "vitest";
import { equal, noise } from "./bytes";
import { type Fault, type Kind, inject, stubOf } from "./faults";
import { ZERO, bytesOf, create, fetchPack, pack, push, pushBody, refs, textOf } from "./git";

const FAULTS = ["before", "after", "full"] as const;

async function tipOf(repository: string): Promise<string | undefined> {
  const response = await refs(repository);
  expect(response.status).toBe(200);
  return /([0-9a-f]{40}) refs\/heads\/main/.exec(await textOf(response))?.[1];
}

describe("a storage call that fails", () => {
  for (const kind of FAULTS) {
    // To begin an object anew takes a second each time.
    for (const state of kind === "after" ? ["kept", "begun"] : ["kept"]) {
      it(`(${kind}) in a push to an object that was ${state} is told, and costs nothing`, async () => {
        vi.spyOn(console, "error").mockImplementation(() => undefined);
        const name = `t/fault-${kind}-${state}`;
        await create(name);
        const first = await pack(noise(50_000));
        await push(name, pushBody(ZERO, first));
        let old = first.tip;
        const seen = new Set<number>();
        for (let call = 1; ; call += 1) {
          const next = await pack(noise(6_000, call), `push ${call}`);
          const body = pushBody(old, next);
          if (state === "begun") await evictDurableObject(stubOf(name));
          const fault: Fault = { side: "storage", call, kind, calls: 0 };
          await inject(name, fault);
          const { status, text } = await push(name, body);
          await inject(name);
          seen.add(status);
          const tip = await tipOf(name);
          expect([old, next.tip], `call ${call}`).toContain(tip);
          if (status === 200) expect(text).toContain("ok refs/heads/main");
          else expect([status, text]).toEqual([kind === "full" ? 507 : 503, told(kind)]);
          if (status === 200) expect(tip).toBe(next.tip);
          // The same again, if it was not done: now it is.
          if (tip === old) expect((await push(name, body)).text).toContain("ok refs/heads/main");
          old = next.tip;
          if (fault.calls < call) break;
        }
        expect(seen).toEqual(new Set([200, kind === "full" ? 507 : 503]));
        expect((await fetchPack(name, old)).status).toBe(200);
        const url = `http://gitcell/${name}.git/-/fsck`;
        const check = await stubOf(name).fetch(url, {
          headers: { "gitcell-call": JSON.stringify({ inside: "/-/fsck", access: 7, rules: "" }) },
        });
        expect(await textOf(check)).toMatch(/ok\n$/);
      });
    }
  }
});

it("a clone whose storage fails is refused or cut, and never wrong", async () => {
  vi.spyOn(console, "error").mockImplementation(() => undefined);
  const name = "t/fault-clone";
  await create(name);
  const packed = await pack(noise(2_900_000));
  const body = pushBody(ZERO, packed);
  expect((await push(name, body)).text).toContain("unpack ok");
  const whole = await bytesOf(await fetchPack(name, packed.tip));
  const outcomes = { refused: 0, cut: 0, whole: 0 };
  for (let call = 1; outcomes.whole === 0; call += 1) {
    const fault: Fault = { side: "storage", call, kind: "before", calls: 0 };
    await inject(name, fault);
    const response = await fetchPack(name, packed.tip);
    const bytes = await bytesOf(response).catch(() => undefined);
    await inject(name);
    if (response.status === 503) outcomes.refused += 1;
    else if (!bytes) outcomes.cut += 1;
    else {
      expect(equal(bytes, whole)).toBe(true);
      if (fault.calls < call) outcomes.whole += 1;
    }
    expect(equal(await bytesOf(await fetchPack(name, packed.tip)), whole)).toBe(true);
  }
  expect(outcomes.refused + outcomes.cut).toBeGreaterThan(3);
  expect(outcomes.cut).toBeGreaterThan(0);
});

function told(kind: Kind): string {
  const text = kind === "full" ? "is full: nothing was changed" : "failed at this request: try again";
  return `this repository's storage ${text}\n`;
}
