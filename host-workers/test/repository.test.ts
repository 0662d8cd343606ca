// Repositories from outside: pushes, clones, evictions, limits.

import { SELF, env, evictDurableObject } from "cloudflare:test";
import { describe, expect, it, vi } from "vitest";
import { Engine } from "../src/engine";
import { gate } from "../src/repo";
import { equal, noise } from "./bytes";
import { ADMIN, ZERO, bytesOf, create, fetchPack, pack, push, pushBody, refs, textOf } from "./git";

const PATIENCE = { timeout: 20_000, interval: 50 };

async function pushed(repository: string, size: number) {
  await create(repository);
  const packed = await pack(noise(size));
  const { text } = await push(repository, pushBody(ZERO, packed));
  expect(text).toContain("unpack ok");
  return packed;
}

// A push whose object is evicted when a part of it was sent, or some milliseconds after all of it: by
// the number of the round. What the client was told.
async function evictedPush(repository: string, body: Uint8Array, round: number): Promise<string> {
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
  const failed = (error: unknown) => ({ text: String(error) });
  const pushing = push(repository, readable).catch(failed);
  const writer = writable.getWriter();
  const evict = async () => {
    await env.REPOSITORY.getByName(repository).evict().catch(() => undefined);
  };
  const size = 75_000;
  for (let at = 0; at < body.length; at += size) {
    if (round < 20 && at >= (round * body.length) / 20) {
      await evict();
      round = 40;
    }
    await writer.write(body.slice(at, at + size)).catch(() => undefined);
  }
  await writer.close().catch(() => undefined);
  if (round < 40) {
    await scheduler.wait((round - 20) * 5);
    await evict();
  }
  return (await pushing).text;
}

describe("a repository", () => {
  it("takes a push and gives it back, evicted in between", async () => {
    const packed = await pushed("t/whole", 2_000_000);
    expect(await textOf(await refs("t/whole"))).toContain(packed.tip);
    await evictDurableObject(env.REPOSITORY.getByName("t/whole"));
    const first = await bytesOf(await fetchPack("t/whole", packed.tip));
    expect(first.length).toBeGreaterThan(2_000_000);
    await evictDurableObject(env.REPOSITORY.getByName("t/whole"));
    expect(equal(await bytesOf(await fetchPack("t/whole", packed.tip)), first)).toBe(true);
  });

  it("is as it was when it is evicted in the middle of a push", async () => {
    const packed = await pushed("t/evicted", 1000);
    const next = pushBody(packed.tip, await pack(noise(2_500_000, 2), "second"));
    const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
    const failed = (error: unknown) => ({ text: String(error) });
    const pushing = push("t/evicted", readable).catch(failed);
    const writer = writable.getWriter();
    await writer.write(next.slice(0, 1_500_000));
    const stub = env.REPOSITORY.getByName("t/evicted");
    while ((await stub.usage()).instances === 0) await scheduler.wait(5);
    await stub.evict().catch(() => undefined);
    await writer.write(next.slice(1_500_000)).catch(() => undefined);
    await writer.close().catch(() => undefined);
    expect((await pushing).text).not.toContain("unpack ok");
    expect(await textOf(await refs("t/evicted"))).toContain(packed.tip);
    const again = await push("t/evicted", next);
    expect(again.text).toContain("unpack ok");
  });

  it("is as it was or as it shall be when it is evicted at any moment of a push", async () => {
    const outcomes = { old: 0, new: 0 };
    for (let round = 0; round < 40; round += 1) {
      const name = `t/moment-${round}`;
      const old = await pushed(name, 1000);
      const next = await pack(noise(1_500_000, round), "second");
      const body = pushBody(old.tip, next);
      const isTold = (await evictedPush(name, body, round)).includes("unpack ok");
      const text = await textOf(await refs(name));
      const isNew = text.includes(`${next.tip} refs/heads/main`);
      expect(isNew || text.includes(`${old.tip} refs/heads/main`)).toBe(true);
      if (isTold) expect(isNew, "told of a push that is lost").toBe(true);
      outcomes[isNew ? "new" : "old"] += 1;
      if (!isNew) expect((await push(name, body)).text).toContain("unpack ok");
      const bytes = await bytesOf(await fetchPack(name, next.tip));
      expect(bytes.length).toBeGreaterThan(1_500_000);
    }
    expect(outcomes.old).toBeGreaterThan(0);
    expect(outcomes.new).toBeGreaterThan(0);
  }, 180_000);

  it("is ended by the operator, who hears so, and of what he asked wrongly", async () => {
    await pushed("t/ended", 100);
    const ask = async (path: string, body: string) => {
      const answer = await SELF.fetch(`http://gitcell${path}`, { method: "POST", headers: ADMIN, body });
      return `${answer.status} ${await textOf(answer)}`;
    };
    const named = (repository: string) => JSON.stringify({ repository });
    expect(await ask("/-/evict", named("t/ended"))).toBe('200 {"evicted":"t/ended"}');
    expect(await ask("/-/evict", named("ended"))).toContain("400 a repository is named");
    expect(await ask("/-/evict", "[")).toContain("400 the body is");
    expect(await ask("/-/snapshots", named("t/no-such"))).toContain("404 there is no such");
    expect((await refs("t/ended")).status).toBe(200);
  });

  it("cuts a clone when it is evicted, and gives it again", async () => {
    const packed = await pushed("t/cut", 2_500_000);
    const whole = await bytesOf(await fetchPack("t/cut", packed.tip));
    const reader = (await fetchPack("t/cut", packed.tip)).body?.getReader();
    await reader?.read();
    await env.REPOSITORY.getByName("t/cut").evict().catch(() => undefined);
    await expect(async () => {
      for (;;) if ((await reader?.read())?.done !== false) return;
    }).rejects.toThrow();
    expect(equal(await bytesOf(await fetchPack("t/cut", packed.tip)), whole)).toBe(true);
  });

  it("holds little for a slow client, and nothing for one that left", async () => {
    const packed = await pushed("t/slow", 2_500_000);
    const slow = (await fetchPack("t/slow", packed.tip)).body?.getReader();
    await slow?.read();
    const stub = env.REPOSITORY.getByName("t/slow");
    expect((await stub.usage()).instances).toBe(1);
    expect(await textOf(await refs("t/slow"))).toContain(packed.tip);
    await slow?.cancel();
    await vi.waitFor(async () => expect((await stub.usage()).instances).toBe(0), PATIENCE);
  });

  it("lets one of two pushes to one ref win, and tells the other", async () => {
    const packed = await pushed("t/race", 100);
    const bodies = await Promise.all(
      ["a", "b"].map(async (text) => pushBody(packed.tip, await pack(noise(900), text))),
    );
    const answers = await Promise.all(bodies.map((body) => push("t/race", body)));
    const won = answers.filter(({ text }) => text.includes("ok refs/heads/main"));
    const lost = answers.filter(({ text }) => text.includes("ng refs/heads/main"));
    expect([won.length, lost.length]).toEqual([1, 1]);
  });

  it("takes four pushes at once", async () => {
    await create("t/four");
    const bodies = await Promise.all(
      [1, 2, 3, 4].map(async (seed) =>
        pushBody(ZERO, await pack(noise(2_000_000, seed)), `refs/heads/b${seed}`),
      ),
    );
    const answers = await Promise.all(bodies.map((body) => push("t/four", body)));
    for (const { text } of answers) expect(text).toContain("ok refs/heads/b");
    const text = await textOf(await refs("t/four"));
    for (const seed of [1, 2, 3, 4]) expect(text).toContain(`refs/heads/b${seed}`);
  });

  it("takes no body over the plan's limit, and says how to push then", async () => {
    await create("t/limit");
    const body = pushBody(ZERO, await pack(noise(3_100_000)));
    for (const sent of [body, new Blob([body.slice()]).stream()]) {
      const { status, text } = await push("t/limit", sent);
      expect(status).toBe(200);
      expect(text).toContain("push in parts");
      expect(text).toContain("ng refs/heads/main");
    }
    expect(await textOf(await refs("t/limit"))).not.toContain("refs/heads/main");
  });

  it("refuses what would outgrow the object, while it streams in", async () => {
    await create("t/full");
    const texts: string[] = [];
    for (const seed of [1, 2, 3, 4, 5]) {
      const body = pushBody(ZERO, await pack(noise(2_900_000, seed)), `refs/heads/b${seed}`);
      texts.push((await push("t/full", body)).text);
    }
    for (const text of texts.slice(0, 4)) expect(text).toContain("unpack ok");
    expect(texts[4]).toContain("the repository has reached its size limit");
    expect(texts[4]).toContain("ng refs/heads/b5");
  });

  it("is not begun anew for a body that came too late", async () => {
    await create("t/late");
    const entered = vi.spyOn(gate, "enter");
    const started = vi.spyOn(Engine.prototype, "start");
    vi.spyOn(console, "error").mockImplementation(() => undefined);
    const body = pushBody(ZERO, await pack(noise(500_000)));
    const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
    const pushing = push("t/late", readable);
    const writer = writable.getWriter();
    await writer.write(body.slice(0, 200_000));
    await vi.waitFor(() => expect(gate.held()).toBeGreaterThan(0), PATIENCE);
    await scheduler.wait(50);
    // As the gate does where others wait.
    entered.mock.lastCall?.[1].drop();
    await writer.write(body.slice(200_000));
    await writer.close();
    const { status, text } = await pushing;
    expect([status, text]).toEqual([503, expect.stringContaining("cut off: its client did nothing")]);
    expect(started).toHaveBeenCalledTimes(1);
    vi.restoreAllMocks();
    expect((await push("t/late", body)).text).toContain("unpack ok");
  });

  it("undoes gzip", async () => {
    await create("t/zipped");
    const body = pushBody(ZERO, await pack(noise(50_000)));
    const zipped = new Blob([body.slice()]).stream().pipeThrough(new CompressionStream("gzip"));
    const answer = await push("t/zipped", zipped, { ...ADMIN, "content-encoding": "gzip" });
    expect(answer.text).toContain("unpack ok");
  });

  it("answers a damaged body with a sentence", async () => {
    await create("t/damaged");
    const answer = await push("t/damaged", new Uint8Array(100).fill(7), {
      ...ADMIN,
      "content-encoding": "gzip",
    });
    expect(answer.status).toBe(400);
  });

  it("is nothing, and keeps nothing, before it is created", async () => {
    const response = await refs("t/none");
    expect(response.status).toBe(404);
    expect(await response.text()).toBe("There is no such repository.\n");
    expect((await env.REPOSITORY.getByName("t/none").usage()).rows).toBeLessThan(20_000);
  });
});

describe("what was counted", () => {
  it("is shown by namespace and by repository", async () => {
    await pushed("counted/one", 1000);
    const show = async (query: string) =>
      (await SELF.fetch(`http://gitcell/metrics${query}`, { headers: ADMIN })).text();
    await vi.waitFor(async () => {
      expect(await show("")).toMatch(/gitcell_requests_total\{namespace="counted"\} 2\n/);
    }, PATIENCE);
    const own = await show("?repository=counted/one");
    expect(own).toMatch(/gitcell_rows_written_total\{repository="counted\/one"\} [1-9]/);
    expect(own).toMatch(/gitcell_bytes_in_total\{repository="counted\/one"\} 1[0-9]{3}\n/);
    expect(own).toMatch(/gitcell_request_seconds_count\{repository="counted\/one"\} 2\n/);
    expect((await SELF.fetch("http://gitcell/metrics")).status).toBe(401);
  });

  it("is in the answer's head", async () => {
    const { headers } = await refs("t/whole");
    expect(headers.get("x-request-id")).toMatch(/^[0-9a-f-]{36}$/);
    expect(headers.get("server-timing")).toMatch(/^head;dur=\d+, engine;dur=[\d.]+$/);
  });
});
