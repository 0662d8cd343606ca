// Who may do what, by the table that the native host's journey asks too.

import { SELF, env } from "cloudflare:test";
import { expect, it, vi } from "vitest";
import table from "../../conformance/who-may.txt?raw";
import * as tokens from "../src/tokens";
import { create } from "./git";

const STRANGERS = ["none", "wrong", "expired", "revoked", "other", "else"];
const now = () => Math.floor(Date.now() / 1000);

async function tokenOf(caller: string): Promise<string | undefined> {
  const make = async (repository: string, scope: tokens.Scope, rules = {}) =>
    (await tokens.create(env, repository, scope, 3600, now(), rules)).token;
  if (caller === "none") return undefined;
  if (caller === "admin") return "test-admin";
  if (caller === "wrong") return `art_v1_${"0".repeat(40)}?expires=9999999999`;
  if (caller === "read") return await make("me/project", "read");
  if (caller === "write") return await make("me/project", "write");
  if (caller === "other") return await make("me/other", "write");
  if (caller === "else") return await make("else/where", "write");
  if (caller === "bound") {
    return await make("me/project", "write", { refs: ["refs/heads/agent/*"], noForce: true });
  }
  const token = await make("me/project", "write");
  if (caller === "revoked") {
    await tokens.revoke(env, token);
    return token;
  }
  return await expired();
}

// One that KV has not dropped yet.
async function expired(): Promise<string> {
  const expires = now() - 1;
  const token = `art_v1_${"e".repeat(40)}?expires=${expires}`;
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(token));
  const hash = tokens.hex(new Uint8Array(digest));
  const kept = { hash, repository: "me/project", scope: "write", expires };
  await env.TOKENS.put(`token/${hash.slice(0, 16)}`, JSON.stringify(kept));
  return token;
}

async function ask(method: string, path: string, token: string | undefined) {
  const headers: Record<string, string> = token ? { authorization: `Bearer ${token}` } : {};
  const service = method === "POST" ? /\.git\/git-([a-z-]+)$/.exec(path)?.[1] : undefined;
  if (service) headers["content-type"] = `application/x-git-${service}-request`;
  const body = service ? "0000" : null;
  const response = await SELF.fetch(`http://gitcell${path}`, { method, headers, body });
  const text = new TextDecoder().decode(await response.arrayBuffer());
  if (token) expect([...response.headers].join() + text).not.toContain(token);
  return { status: response.status, text };
}

// All that is logged from now on.
function listen(): string[] {
  const said: string[] = [];
  for (const way of ["debug", "error", "info", "log", "warn"] as const) {
    vi.spyOn(console, way).mockImplementation((...words) => {
      said.push(words.map((word) => (word instanceof Error ? word.stack : String(word))).join(" "));
    });
  }
  return said;
}

it("each caller may do what the table says, and strangers learn nothing", async () => {
  for (const name of ["me/project", "me/other", "else/where"]) await create(name);
  const lines = table.split("\n").filter((line) => line && !line.startsWith("#"));
  const [head = "", ...rows] = lines;
  const callers = head.split(/\s+/).slice(1);
  const held = await Promise.all(callers.map(tokenOf));
  const said = listen();
  console.log("heard");
  for (const row of rows) {
    const [method = "", path = "", ...cells] = row.split(/\s+/);
    for (const [at, caller] of callers.entries()) {
      const inside = (name: string) =>
        path.startsWith("~") ? path.slice(1) : `/${name}.git${path}`;
      const answer = await ask(method, inside("me/project"), held[at]);
      expect(String(answer.status), `${caller}: ${row}`).toBe(cells[at]?.split("/").at(-1));
      const isTold = method !== "HEAD" && !path.startsWith("~");
      if (caller === "expired" && isTold) expect(answer.text).toContain("expired");
      if (!STRANGERS.includes(caller)) continue;
      const absent = await ask(method, inside("me/absent"), held[at]);
      expect(absent, `${caller}: ${row}`).toEqual(answer);
    }
  }
  const write = held[callers.indexOf("write")];
  for (const name of ["ME/project", "me/Project", "me/%70roject", "me%2fproject", "me/pr\u00f6ject",
    "me//project", "me/../../me/x", `me/${"a".repeat(101)}`, `${"a".repeat(5000)}/project`]) {
    const answer = await ask("GET", `/${name}.git/info/refs?service=git-upload-pack`, write);
    expect([400, 403, 404], name).toContain(answer.status);
  }
  vi.restoreAllMocks();
  expect(said).toContain("heard");
  for (const token of held) if (token) expect(said.join()).not.toContain(token);
});
