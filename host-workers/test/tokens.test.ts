// Who is let in.

import { SELF, env } from "cloudflare:test";
import { beforeAll, describe, expect, it } from "vitest";
import * as tokens from "../src/tokens";
import { ADMIN, create, pack, push, pushBody, refs, ZERO } from "./git";

const now = () => Math.floor(Date.now() / 1000);

async function make(repository: string, scope: tokens.Scope, ttl = 3600, at = now()) {
  const { token } = await tokens.create(env, repository, scope, ttl, at);
  return { token, headers: { authorization: `Basic ${btoa(`anyone:${token}`)}` } };
}

describe("tokens", () => {
  beforeAll(() => create("t/tokens"));

  it("have Artifacts' form, and only their hash is kept", async () => {
    const { token } = await make("t/tokens", "read");
    expect(token).toMatch(/^art_v1_[0-9a-f]{40}\?expires=\d+$/);
    const kept = await Promise.all(
      (await env.TOKENS.list()).keys.map(({ name }) => env.TOKENS.get(name)),
    );
    expect(kept.join()).not.toContain(token.slice(7, 47));
  });

  it("open what they are for, and nothing else", async () => {
    const read = await make("t/tokens", "read");
    const write = await make("t/tokens", "write");
    const check = async (headers: HeadersInit, status: number, text?: string) => {
      const response = await refs("t/tokens", headers);
      expect(response.status).toBe(status);
      if (text) expect(await response.text()).toContain(text);
    };
    await check(read.headers, 200);
    await check({ authorization: `Bearer ${read.token}` }, 200);
    await check((await make("t/other", "write")).headers, 403, "another repository");
    await check({ authorization: "Bearer art_v1_x" }, 403, "not known");
    const forged = read.token.replace(/\d+$/, (end) => String(Number(end) + 1));
    await check({ authorization: `Bearer ${forged}` }, 403, "not known");
    const body = pushBody(ZERO, await pack(new Uint8Array(9)));
    expect((await push("t/tokens", body, read.headers)).status).toBe(403);
    expect((await push("t/tokens", body, write.headers)).text).toContain("unpack ok");
  });

  it("are asked for", async () => {
    const response = await refs("t/tokens", {});
    expect(response.status).toBe(401);
    expect(response.headers.get("www-authenticate")).toBe('Basic realm="gitcell"');
  });

  it("end by time and by revocation", async () => {
    const old = await make("t/tokens", "read", 3600, now() - 3500);
    expect((await refs("t/tokens", old.headers)).status).toBe(200);
    const { token, headers } = await make("t/tokens", "read");
    expect((await refs("t/tokens", headers)).status).toBe(200);
    const revoked = await SELF.fetch("http://gitcell/-/tokens/revoke", {
      method: "POST",
      headers: ADMIN,
      body: JSON.stringify({ token }),
    });
    expect(revoked.status).toBe(200);
    expect((await refs("t/tokens", headers)).status).toBe(403);
  });

  it("may be bound to refs, and to never lose history", async () => {
    await create("t/bound");
    const ask = (more: object) =>
      SELF.fetch("http://gitcell/-/tokens", {
        method: "POST",
        headers: ADMIN,
        body: JSON.stringify({ repository: "t/bound", scope: "write", ttl: 60, ...more }),
      });
    for (const bad of [{ refs: "refs/a" }, { refs: ["main"] }, { refs: ["!refs/a"] }, { no_force: 1 },
      { refs: ["refs/a\nb"] }, { scope: "read", no_force: true }]) {
      expect((await ask(bad)).status, JSON.stringify(bad)).toBe(400);
    }
    const made = await ask({ refs: ["refs/heads/agent/*"], no_force: true });
    const { token } = await made.json<{ token: string }>();
    const headers = { authorization: `Bearer ${token}` };
    const [one, two] = [await pack(new Uint8Array(9), "one"), await pack(new Uint8Array(9), "two")];
    const check = async (old: string, packed: typeof one, name: string, expected: string) =>
      expect((await push("t/bound", pushBody(old, packed, name), headers)).text).toContain(expected);
    await check(ZERO, one, "refs/heads/main", "ng refs/heads/main this ref is not to be written");
    await check(ZERO, one, "refs/heads/agent/a", "ok refs/heads/agent/a");
    await check(one.tip, two, "refs/heads/agent/a", "ng refs/heads/agent/a non-fast-forward");
    expect((await refs("t/bound", headers)).status).toBe(200);
  });

  it("are made by the admin alone, within the limits", async () => {
    const ask = (headers: HeadersInit, ttl: number) =>
      SELF.fetch("http://gitcell/-/tokens", {
        method: "POST",
        headers,
        body: JSON.stringify({ repository: "t/tokens", scope: "read", ttl }),
      });
    expect((await ask(ADMIN, 60)).status).toBe(201);
    expect((await ask(ADMIN, 59)).status).toBe(400);
    expect((await ask(ADMIN, 365 * 86_400 + 1)).status).toBe(400);
    expect((await ask({ authorization: "Bearer wrong" }, 60)).status).toBe(403);
    expect((await ask({}, 60)).status).toBe(401);
  });

  it("are found in each form of the header", () => {
    const check = (header: string | null, token: string | undefined) =>
      expect(tokens.credential(header), String(header)).toBe(token);
    check(null, undefined);
    check("Bearer t-1", "t-1");
    check("bearer  t-1", "t-1");
    check("Basic Z2l0OnQtMQ==", "t-1");
    check("basic Z2l0OnQtMQ", "t-1");
    check("Basic dC0xOg==", "t-1");
    check("Basic Z2l0OmE6Yg==", "a:b");
    check("Basic Z2l0", undefined);
    check("Basic ?", undefined);
    check("Digest x", undefined);
  });
});
