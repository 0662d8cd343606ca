// Cold rows and snapshots, from outside.

import { SELF, env, runInDurableObject } from "cloudflare:test";
import { describe, expect, it, vi } from "vitest";
import module from "../../dist/engine.wasm";
import { Engine } from "../src/engine";
import { gate } from "../src/repo";
import type { Rows } from "../src/storage";
import { equal, noise } from "./bytes";
import { ADMIN, ZERO, bytesOf, create, fetchPack, pack, push, pushBody, refs, textOf } from "./git";

// What a request holds.
interface Held {
  readonly engine: { readonly size: number };
  readonly output: readonly unknown[];
  readonly parts: { readonly host: { readonly window: unknown } };
}

async function repository(name: string) {
  await create(name);
  const packed = await pack(noise(2_900_000));
  await push(name, pushBody(ZERO, packed));
  return { packed, stub: env.REPOSITORY.getByName(name) };
}

function restore(repository: string, snapshot: string): Promise<Response> {
  return SELF.fetch("http://gitcell/-/restore", {
    method: "POST",
    headers: ADMIN,
    body: JSON.stringify({ repository, snapshot }),
  });
}

describe("the slow tier", () => {
  it("takes cold rows, and answers stay the same", async () => {
    const { packed, stub } = await repository("t/cold");
    const warm = await bytesOf(await fetchPack("t/cold", packed.tip));
    expect(await stub.cool(1)).toBe(false);
    expect(await stub.cool(0)).toBe(true);
    const usage = await stub.usage();
    expect(usage.cold).toBeGreaterThan(2_900_000);
    expect(equal(await bytesOf(await fetchPack("t/cold", packed.tip)), warm)).toBe(true);
    const pages = await runInDurableObject(stub, (_, state) =>
      state.storage.sql.exec("SELECT COUNT(*) AS n FROM pages").one(),
    );
    expect(pages.n).toBe(0);
  });

  it("serves a push on top of cold rows, and a check of everything", async () => {
    const { packed, stub } = await repository("t/mixed");
    await stub.cool(0);
    const next = await pack(noise(5000, 3), "second");
    expect((await push("t/mixed", pushBody(packed.tip, next))).text).toContain("unpack ok");
    const url = "http://gitcell/t/mixed.git/-/fsck";
    expect(await (await SELF.fetch(url, { headers: ADMIN })).text()).toMatch(/ok\n$/);
  });

  it("moves nothing while a request runs that could not wait", async () => {
    const { packed, stub } = await repository("t/busy");
    const reader = (await fetchPack("t/busy", packed.tip)).body?.getReader();
    await reader?.read();
    expect(await stub.cool(0)).toBe(false);
    expect((await stub.usage()).cold).toBe(0);
    await reader?.cancel();
  });

  it("says so when its rows are cold and no bucket is bound any more", async () => {
    const { packed, stub } = await repository("t/unbound");
    await stub.cool(0);
    const error = vi.spyOn(console, "error").mockImplementation(() => undefined);
    await runInDurableObject(stub, (object) => void Object.assign(object, { tier: undefined }));
    const answer = await fetchPack("t/unbound", packed.tip);
    expect([answer.status, await textOf(answer)]).toEqual([
      503,
      "this repository's storage failed at this request: try again\n",
    ]);
    expect(String(error.mock.lastCall?.[2])).toContain("no R2 bucket is bound");
    vi.restoreAllMocks();
  });

  it("ends an instance that cannot wait for a row, and gives it nothing else", async () => {
    const host = { get: async () => undefined, scan: () => [], commit: () => true, emit: () => undefined };
    const words = { method: "GET", path: "/info/refs", query: "service=git-upload-pack", headers: [] };
    const who = { time: 1, id: "a", caller: "", access: 7, sizeMax: 0 };
    const run = (suspends: boolean) =>
      new Engine(module, host, suspends).start({ ...words, ...who });
    await run(true);
    await expect(run(false)).rejects.toThrow("cannot wait");
  });

  it("keeps no bytes of a clone whose client has gone", async () => {
    const { packed, stub } = await repository("t/gone");
    await stub.cool(0);
    const entered = vi.spyOn(gate, "enter");
    const reader = (await fetchPack("t/gone", packed.tip)).body?.getReader();
    await reader?.read();
    const exchange = entered.mock.lastCall?.[1] as unknown as Held;
    expect(exchange.parts.host.window).toBeDefined();
    expect((await stub.usage()).memory).toBeGreaterThan(900_000 + exchange.engine.size);
    await reader?.cancel();
    await vi.waitFor(async () => expect((await stub.usage()).instances).toBe(0));
    // What was on its way has come.
    await scheduler.wait(100);
    const { engine, output, parts } = exchange;
    expect([engine, output, parts.host.window]).toEqual([undefined, [], undefined]);
    vi.restoreAllMocks();
  });

  it("takes one step at a time, however many ask", async () => {
    const { packed, stub } = await repository("t/asked");
    const warm = await bytesOf(await fetchPack("t/asked", packed.tip));
    // In the object itself, so that they ask at one and the same time.
    const asked = await runInDurableObject(stub, (object) => {
      return Promise.all([1, 2, 3].map(() => object.cool(0)));
    });
    expect(asked).toEqual([true, true, true]);
    expect(await stub.cool(0)).toBe(false);
    expect((await stub.usage()).cold).toBeLessThan(3_100_000);
    expect(equal(await bytesOf(await fetchPack("t/asked", packed.tip)), warm)).toBe(true);
  });

  it("sweeps what a crash left between copy and record", async () => {
    const { stub } = await repository("t/crash");
    await runInDurableObject(stub, async (_, state) => {
      await env.BUCKET?.put("cold/orphan", "x");
      state.storage.sql.exec("INSERT INTO objects (name, bytes) VALUES ('cold/orphan', 1)");
    });
    await stub.cool(0);
    expect(await env.BUCKET?.head("cold/orphan")).toBeNull();
  });

  it("leaves what was begun within the hour: it may have yet to arrive", async () => {
    const { stub } = await repository("t/young");
    const name = `cold/${Date.now()}-young`;
    await runInDurableObject(stub, async (_, state) => {
      await env.BUCKET?.put(name, "x");
      state.storage.sql.exec("INSERT INTO objects (name, bytes) VALUES (?, 1)", name);
    });
    await stub.cool(0);
    expect(await env.BUCKET?.head(name)).not.toBeNull();
  });
});

describe("a snapshot", () => {
  it("restores to the same answers in another object", async () => {
    const { packed, stub } = await repository("t/kept");
    await stub.cool(0);
    const name = (await stub.snapshot()) ?? "none";
    const restored = await restore("t/restored", name);
    expect(await restored.json()).toEqual({ restored: "t/restored" });
    // Each answer has a session id of its own; all else must be equal.
    const texts = await Promise.all(
      ["t/kept", "t/restored"].map(async (name) =>
        (await textOf(await refs(name))).replace(/session-id=[0-9a-f-]+/, "session-id=…"),
      ),
    );
    expect(texts[1]).toBe(texts[0]);
    const bytes = await bytesOf(await fetchPack("t/restored", packed.tip));
    expect(equal(bytes, await bytesOf(await fetchPack("t/kept", packed.tip)))).toBe(true);
    expect((await restore("t/restored", name)).status).toBe(409);
  });

  it("is what was there when it was begun, whatever is changed while it is taken", async () => {
    const { packed, stub } = await repository("t/moving");
    // Rows enough for several parts, in a log.
    const row = (letter: string, at: number, fill: number) => ({
      key: new TextEncoder().encode(`${letter}/row-${String(at).padStart(3, "0")}`).slice(),
      value: new Uint8Array(900_000).fill(fill),
    });
    const numbers = Array.from({ length: 12 }, (_, at) => at);
    const name = await runInDurableObject(stub, async (object) => {
      const { rows, upkeep } = object as unknown as { rows: Rows; upkeep: { place: object } };
      rows.commit([], numbers.map((at) => row("l", at, 1)));
      const put = async (key: string, ...rest: [Uint8Array, R2PutOptions]) => {
        // Once before the last rows are read, and again behind them.
        const changed = [0, 11].map((at) => row("l", at, 2));
        const added = [row("a", 0, 2), row("l", 12, 2), row("z", 0, 2)];
        rows.commit([], [...changed, ...added, { key: row("l", 10, 0).key, value: undefined }]);
        return await env.BUCKET?.put(key, ...rest);
      };
      const list = (options: R2ListOptions) => env.BUCKET?.list(options);
      const head = (key: string) => env.BUCKET?.head(key);
      Object.assign(upkeep.place, { env: { ...env, BUCKET: { put, list, head } } });
      return (await object.snapshot()) ?? "none";
    });
    expect((await restore("t/moved", name)).status).toBe(200);
    const found = await runInDurableObject(env.REPOSITORY.getByName("t/moved"), (object) => {
      const { rows } = object as unknown as { rows: Rows };
      const all = ["a", "l", "z"].flatMap((letter) =>
        rows.range(row(letter, 0, 0).key, row(letter, 999, 0).key, 2 ** 30),
      );
      return all.map(({ key, held }) => [new TextDecoder().decode(key), "bytes" in held && held.bytes[0]]);
    });
    expect(found).toEqual(numbers.map((at) => [new TextDecoder().decode(row("l", at, 1).key), 1]));
    expect(await textOf(await refs("t/moved"))).toContain(packed.tip);
  });

  it("of more than an object holds comes back with its cold rows in R2", async () => {
    await create("t/outgrown");
    const stub = env.REPOSITORY.getByName("t/outgrown");
    const packs = await Promise.all([1, 2, 3, 4, 5].map((seed) => pack(noise(2_900_000, seed))));
    for (const [at, packed] of packs.entries()) {
      const body = pushBody(ZERO, packed, `refs/heads/b${at}`);
      expect((await push("t/outgrown", body)).text).toContain("unpack ok");
      while (await stub.cool(0));
    }
    const name = (await stub.snapshot()) ?? "none";
    expect((await restore("t/outgrown-2", name)).status).toBe(200);
    const copy = env.REPOSITORY.getByName("t/outgrown-2");
    const { rows, cold } = await copy.usage();
    expect(rows).toBeLessThan(12_000_000);
    expect(cold).toBeGreaterThan(5_000_000);
    for (const { tip } of packs) {
      const bytes = await bytesOf(await fetchPack("t/outgrown-2", tip));
      expect(equal(bytes, await bytesOf(await fetchPack("t/outgrown", tip)))).toBe(true);
    }
  });

  it("is refused when a part is damaged", async () => {
    const { stub } = await repository("t/harmed");
    const name = (await stub.snapshot()) ?? "none";
    await env.BUCKET?.put(`${name}/000000`, "harm");
    expect(await (await restore("t/harmed-2", name)).text()).toContain("damaged");
    expect((await refs("t/harmed-2")).status).toBe(404);
  });

  it("restores once, if two ask for it at a time, and leaves nothing of what is refused", async () => {
    const { packed, stub } = await repository("t/wanted");
    const name = (await stub.snapshot()) ?? "none";
    const both = await Promise.all([1, 2].map(() => restore("t/wanted-2", name)));
    const texts = await Promise.all(both.map(async (answer) => `${answer.status} ${await answer.text()}`));
    expect(texts.sort()[0]).toContain("200");
    expect(texts[1]).toMatch(/^503 this repository is being restored already|^409 there is a rep/);
    expect(await textOf(await refs("t/wanted-2"))).toContain(packed.tip);
    expect((await restore("t/wanted-3", "snapshots/no/such")).status).toBe(404);
    await create("t/wanted-3");
  });

  it("overwrites no repository that is made while R2 is asked", async () => {
    const { stub } = await repository("t/raced");
    const name = (await stub.snapshot()) ?? "none";
    let [isAsked, isMade] = [false, false];
    const get = async (key: string) => {
      isAsked = true;
      while (!isMade) await scheduler.wait(5);
      return await env.BUCKET?.get(key);
    };
    await runInDurableObject(env.REPOSITORY.getByName("t/raced-2"), (object) => {
      Object.assign(object, { env: { ...env, BUCKET: { get } } });
    });
    const restoring = restore("t/raced-2", name);
    await vi.waitFor(() => expect(isAsked).toBe(true));
    await create("t/raced-2");
    const packed = await pack(noise(1000, 7), "pushed meanwhile");
    expect((await push("t/raced-2", pushBody(ZERO, packed))).text).toContain("unpack ok");
    isMade = true;
    const answer = await restoring;
    expect([answer.status, await answer.text()]).toEqual([409, "there is a repository already\n"]);
    expect(await textOf(await refs("t/raced-2"))).toContain(packed.tip);
  });

  it("is refused by its manifest, if that is no snapshot's, or another's", async () => {
    const { stub } = await repository("t/told");
    const name = (await stub.snapshot()) ?? "none";
    const manifest = await (await env.BUCKET?.get(`${name}/manifest.json`))?.text();
    for (const [text, told] of [
      [manifest?.slice(0, 90), "the snapshot's manifest is damaged"],
      ["[]", "the snapshot's manifest is damaged"],
      [manifest?.replace('"version":1', '"version":2'), "the snapshot is of a later version"],
      [manifest?.replaceAll("t/told/2", "t/other/2"), "the snapshot's manifest is another's"],
      [manifest?.replace('"rows":', '"rows":1'), "the snapshot is incomplete"],
    ]) {
      await env.BUCKET?.put(`${name}/manifest.json`, text ?? "");
      const answer = await restore("t/told-2", name);
      expect([answer.status, await answer.text()]).toEqual([409, `${told}\n`]);
      expect((await refs("t/told-2")).status).toBe(404);
    }
  });
});
