// A crash at every call. Snapshots, restores, the slow tier, upkeep, and requests on cold rows are
// stopped at each single call of the object's storage and of R2, in every way that `faults.ts` has.
// Each time: what is told is a sentence, the refs are the old or the new ones, real git finds a clone
// whole, every snapshot that is listed can be restored, and the same is done when it is asked again.
// Two hours later nothing is left in R2 that nobody needs.

import { SELF, env, runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import {
  afterEach, beforeAll, beforeEach, describe, expect, inject as provided, it, vi,
} from "vitest";
import { concat, hex, noise } from "./bytes";
import { type Fault, R2, STORAGE, inject, stubOf } from "./faults";
import { ADMIN, ZERO, bytesOf, create, line, pack, push, pushBody, refs, textOf } from "./git";

// From `judge.mjs`: where real git judges a clone, which of the calls are tried, and what was recorded.
declare module "vitest" {
  interface ProvidedContext {
    judge: string;
    stride: number;
    // Of engine/build/replay.sh.
    records: readonly string[];
  }
}

const HOUR = 3_600_000;

interface Answer {
  readonly status: number;
  readonly text: string;
}

async function ask(path: string, json: object): Promise<Answer> {
  const sent = { method: "POST", headers: ADMIN, body: JSON.stringify(json) };
  const response = await SELF.fetch(`http://gitcell${path}`, sent);
  return { status: response.status, text: await textOf(response) };
}

// The client saw a connection that broke.
const CUT: Answer = { status: 599, text: "cut" };

// All refs: their ids by name.
async function refsOf(name: string): Promise<Map<string, string>> {
  const response = await refs(name);
  const text = await textOf(response);
  expect([response.status, text]).toEqual([200, expect.any(String)]);
  return refsIn(text);
}

function refsIn(text: string): Map<string, string> {
  const found = text.matchAll(/([0-9a-f]{40}) (refs\/heads\/[^\0\s]+)/g);
  return new Map([...found].map(([, id = "", ref = ""]) => [ref, id]));
}

async function fetchAll(name: string, ids: Iterable<string>): Promise<Response> {
  const wants = [...new Set(ids)].map((id) => line(`want ${id}\n`)).join("");
  return await SELF.fetch(`http://gitcell/${name}.git/git-upload-pack`, {
    method: "POST",
    headers: {
      ...ADMIN,
      "content-type": "application/x-git-upload-pack-request",
      "git-protocol": "version=2",
    },
    body: `${line("command=fetch")}0001${wants}${line("done\n")}0000`,
  });
}

// The pack in an answer's side band.
function packIn(answer: Uint8Array): Uint8Array<ArrayBuffer> {
  const pieces: Uint8Array[] = [];
  const digits = new TextDecoder();
  for (let at = 0; at < answer.length; ) {
    const size = Number.parseInt(digits.decode(answer.subarray(at, at + 4)), 16);
    if (answer[at + 4] === 1) pieces.push(answer.subarray(at + 5, at + size));
    at += Math.max(size, 4);
  }
  return concat(pieces);
}

// What git has found whole already.
const judged = new Set<string>();

// Asks git of a clone.
async function whole(
  packed: Uint8Array<ArrayBuffer>,
  refs: Map<string, string>,
  what: string,
): Promise<void> {
  const lines = [...refs].map(([ref, id]) => `create ${ref} ${id}\n`).join("");
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-1", packed));
  const name = hex(digest) + lines;
  if (judged.has(name)) return;
  const url = `${provided("judge")}/?${encodeURIComponent(lines)}`;
  expect(await (await fetch(url, { method: "POST", body: packed })).text(), what).toBe("ok");
  judged.add(name);
}

async function clone(name: string, wanted: Map<string, string>, what: string): Promise<void> {
  await whole(packIn(await bytesOf(await fetchAll(name, wanted.values()))), wanted, what);
}

// Reads everything: a clone by git's own judgement, and the check of all rows.
async function sound(name: string, wanted: Map<string, string>, what: string): Promise<void> {
  expect(await refsOf(name), what).toEqual(wanted);
  await clone(name, wanted, what);
  const check = await SELF.fetch(`http://gitcell/${name}.git/-/fsck`, { headers: ADMIN });
  expect(await textOf(check), what).toMatch(/ok\n$/);
}

async function restore(repository: string, snapshot: string): Promise<Answer> {
  return await ask("/-/restore", { repository, snapshot });
}

async function listed(name: string): Promise<string[]> {
  const url = `http://gitcell/-/snapshots?repository=${name}`;
  const response = await SELF.fetch(url, { headers: ADMIN });
  return ((await response.json()) as { snapshots: string[] }).snapshots;
}

// All names in the bucket that belong to an object, and those that it needs.
async function kept(name: string): Promise<{ found: string[]; needed: string[] }> {
  const { id, needed } = await runInDurableObject(stubOf(name), (_, state) => {
    const sql = "SELECT name FROM objects WHERE held > 0 ORDER BY name";
    const rows = state.storage.sql.exec<{ name: string }>(sql).toArray();
    return { id: state.id.toString(), needed: rows.map(({ name }) => name) };
  });
  const found = await env.BUCKET?.list({ prefix: `cold/${id}/` });
  return { found: found?.objects.map(({ key }) => key) ?? [], needed };
}

// Two hours have passed: what is loose has gone.
async function nothingLoose(name: string, what: string): Promise<void> {
  vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + 2 * HOUR });
  for (let again = 0; again < 3; again += 1) await runDurableObjectAlarm(stubOf(name));
  vi.useRealTimers();
  const { found, needed } = await kept(name);
  expect(found, what).toEqual(needed);
  const prefix = `snapshots/${name}/`;
  const all = await env.BUCKET?.list({ prefix, delimiter: "/" });
  const folders = all?.delimitedPrefixes.map((folder) => folder.slice(0, -1)).sort();
  expect(folders, what).toEqual(await listed(name));
}

// What is done, once in each of the ways in which it can fail.
interface Case {
  readonly name: string;
  // Makes a repository ready to be done it to.
  readonly prepare: (name: string) => Promise<void>;
  readonly act: (name: string) => Promise<Answer>;
  // What the refs may be afterwards; none: there may be no repository.
  readonly allowed: readonly Map<string, string>[];
}

// Every call, in every way, or with a stride so many of them.
async function every(subject: Case): Promise<void> {
  const tally = { storage: 0, r2: 0, faults: 0, deaths: 0 };
  const failed: string[] = [];
  const stride = provided("stride");
  for (const side of ["storage", "r2"] as const) {
    for (const [at, kind] of (side === "r2" ? R2 : STORAGE).entries()) {
      for (let call = 1 + (at % stride); ; call += stride) {
        const name = `crash/${subject.name}-${side}-${kind.replace(" ", "-")}-${call}`;
        await subject.prepare(name);
        const fault: Fault = { side, call, kind, calls: 0 };
        await inject(name, fault);
        const answer = await subject.act(name).catch(() => CUT);
        await inject(name);
        const what = `${subject.name}: ${side} call ${call} (${fault.name}) ${kind}`;
        await check(subject, name, answer, what).catch((error) => {
          console.log(`${error}`);
          failed.push(String(error));
        });
        if (fault.isDone) tally[kind.startsWith("ended") ? "deaths" : "faults"] += 1;
        tally[side] = Math.max(tally[side], fault.calls);
        if (fault.calls < call) break;
      }
    }
  }
  console.log(`${subject.name}: ${JSON.stringify(tally)}`);
  expect(failed).toEqual([]);
  expect(Math.min(tally.faults, tally.deaths)).toBeGreaterThan(0);
}

async function check(subject: Case, name: string, answer: Answer, what: string): Promise<void> {
  expect([200, 404, 409, 500, 503, 507, CUT.status], what).toContain(answer.status);
  expect(answer.text, what).not.toMatch(/undefined|TypeError|\[object/);
  const isDone = answer.status === 200;
  const last = subject.allowed.at(-1) ?? new Map();
  const now = await refsAfter(subject, name, isDone, what);
  if (now) await clone(name, now, what);
  if (!isDone) {
    const again = await subject.act(name);
    expect([200, 409], `${what}, again: ${again.text}`).toContain(again.status);
  }
  await nothingLoose(name, what);
  await sound(name, last, `${what}, later`);
  const snapshots = await listed(name);
  const isTaken = ["snapshot", "alarm"].includes(subject.name);
  expect(snapshots.length, `${what}: snapshots`).toBeGreaterThanOrEqual(isTaken ? 1 : 0);
  for (const [at, snapshot] of snapshots.entries()) {
    const copy = `${name}-copy-${at}`;
    expect(await restore(copy, snapshot), what).toEqual(expect.objectContaining({ status: 200 }));
    await clone(copy, await refsOf(copy), `${what}, restored`);
  }
}

// The refs after a fault: the old or the new ones, or there is nothing yet.
async function refsAfter(subject: Case, name: string, isDone: boolean, what: string) {
  const response = await refs(name);
  const text = await textOf(response);
  if (response.status === 200) {
    const now = refsIn(text);
    const found = subject.allowed.find((refs) => same(refs, now));
    expect(found, `${what}: ${[...now]}`).toBeDefined();
    if (isDone) expect(found, what).toBe(subject.allowed.at(-1));
    return now;
  }
  // Only a restore may leave none.
  expect([subject.name, isDone], `${what}: ${text}`).toEqual(["restore", false]);
  expect([404, 503], what).toContain(response.status);
  if (response.status === 503) expect(response.headers.get("retry-after")).not.toBeNull();
  return undefined;
}

function same(a: Map<string, string>, b: Map<string, string>): boolean {
  return a.size === b.size && [...a].every(([ref, id]) => b.get(ref) === id);
}

// A snapshot of a small repository of two branches, in several parts.
let snapshot = "";
let small = new Map<string, string>();

async function divide(name: string): Promise<void> {
  const manifest = await (await env.BUCKET?.get(`${name}/manifest.json`))?.json<{
    rows: number;
    parts: { name: string; bytes: number; sha256: string }[];
  }>();
  const whole = await (await env.BUCKET?.get(`${name}/000000`))?.arrayBuffer();
  if (!manifest || !whole) throw new Error("there is no snapshot");
  const [view, cuts] = [new DataView(whole), [0]];
  for (let at = 0; at < whole.byteLength; ) {
    at += 8 + view.getUint32(at, true) + view.getUint32(at + 4, true);
    if (at > (cuts.length * whole.byteLength) / 3 || at === whole.byteLength) cuts.push(at);
  }
  manifest.parts = [];
  for (const [at, cut] of cuts.slice(0, -1).entries()) {
    const bytes = whole.slice(cut, cuts[at + 1]);
    const sha256 = hex(new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)));
    await env.BUCKET?.put(`${name}/00000${at}`, bytes);
    manifest.parts.push({ name: `${name}/00000${at}`, bytes: bytes.byteLength, sha256 });
  }
  expect(manifest.parts.length).toBeGreaterThan(1);
  await env.BUCKET?.put(`${name}/manifest.json`, JSON.stringify(manifest));
}

beforeAll(async () => {
  const name = "crash/first";
  await create(name);
  for (const seed of [1, 2]) {
    const body = pushBody(ZERO, await pack(noise(9_000, seed), "first"), `refs/heads/b${seed}`);
    expect((await push(name, body)).text).toContain("unpack ok");
  }
  small = await refsOf(name);
  snapshot = (await stubOf(name).snapshot()) ?? "none";
  await divide(snapshot);
});
beforeEach(() => {
  vi.spyOn(console, "error").mockImplementation(() => undefined);
});
afterEach(() => {
  vi.restoreAllMocks();
});

const LONG = 1_800_000;

async function restored(name: string): Promise<void> {
  expect(await restore(name, snapshot)).toEqual({ status: 200, text: expect.any(String) });
}

async function cold(name: string): Promise<void> {
  await restored(name);
  expect(await stubOf(name).cool(0)).toBe(true);
}

describe("a crash at every call of", () => {
  const allowed = () => [small];
  it("the slow tier", async () => {
    const act = (repository: string) => ask("/-/cool", { repository, days: 0 });
    await every({ name: "tier", prepare: restored, act, allowed: allowed() });
  }, LONG);

  it("a snapshot", async () => {
    const act = (repository: string) => ask("/-/snapshots", { repository });
    await every({ name: "snapshot", prepare: cold, act, allowed: allowed() });
  }, LONG);

  it("a restore", async () => {
    const act = (name: string) => restore(name, snapshot);
    await every({ name: "restore", prepare: async () => undefined, act, allowed: allowed() });
  }, LONG);

  it("an alarm: maintenance, a snapshot, and rows that grow cold", async () => {
    const act = async (name: string) => {
      try {
        await runDurableObjectAlarm(stubOf(name));
        return { status: 200, text: "" };
      } catch {
        // The platform runs one again that did not end well; the tests' own runner does not.
        await runInDurableObject(stubOf(name), (_, { storage }) => storage.setAlarm(Date.now()));
        return CUT;
      }
    };
    await every({ name: "alarm", prepare: restored, act, allowed: allowed() });
  }, LONG);

  it("a push on cold rows", async () => {
    const next = await pack(noise(6_000, 3), "next");
    const old = small.get("refs/heads/b1") ?? ZERO;
    const body = pushBody(old, next, "refs/heads/b1");
    const pushed = new Map([...small, ["refs/heads/b1", next.tip]]);
    const act = async (name: string) => {
      const { status, text } = await push(name, body);
      const isDone = text.includes("ok refs/heads/b1") || text.includes("ng refs/heads/b1");
      return { status: status === 200 && !isDone ? 500 : status, text };
    };
    await every({ name: "push", prepare: cold, act, allowed: [small, pushed] });
  }, LONG);

  it("a clone of cold rows", async () => {
    const act = async (name: string) => {
      const response = await fetchAll(name, small.values());
      const { status } = response;
      const answer = await bytesOf(response);
      if (status !== 200) return { status, text: new TextDecoder().decode(answer) };
      await whole(packIn(answer), small, `clone ${name}`);
      return { status, text: "" };
    };
    await every({ name: "clone", prepare: cold, act, allowed: allowed() });
  }, LONG);
});
