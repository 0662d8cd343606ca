// The front Worker and the operator's requests, where something fails or was asked wrongly.

import { SELF, env, runInDurableObject } from "cloudflare:test";
import { afterEach, expect, it, vi } from "vitest";
import worker from "../src/index";
import * as tokens from "../src/tokens";
import { ADMIN, create, refs, textOf } from "./git";

const now = () => Math.floor(Date.now() / 1000);

afterEach(() => void vi.restoreAllMocks());

it("tells of tokens that cannot be looked up, in a sentence", async () => {
  vi.spyOn(console, "error").mockImplementation(() => undefined);
  const { token } = await tokens.create(env, "t/kv", "read", 3600, now());
  const get = async () => {
    throw new Error("KV GET failed: 500");
  };
  const url = "http://gitcell/t/kv.git/info/refs?service=git-upload-pack";
  const request = new Request(url, { headers: { authorization: `Bearer ${token}` } });
  const answer = await worker.fetch(request, { ...env, TOKENS: { get } as unknown as KVNamespace });
  expect([answer.status, await answer.text()]).toEqual([
    503,
    "this repository could not be reached: try again\n",
  ]);
  expect(answer.headers.get("retry-after")).not.toBeNull();
});

it("makes tokens that last as short as they may, whatever KV's clock says", async () => {
  const made = await tokens.create(env, "t/short", "read", tokens.TTL_MIN, now() - 2);
  expect(made.expires).toBeLessThan(now() + tokens.TTL_MIN);
});

it("is open to this machine, and to no web page that a browser on it shows", () => {
  const check = (headers: HeadersInit, isOpen: boolean, host = "127.0.0.1:8787") =>
    expect(
      tokens.isOpen({ ...env, OPEN: "1" }, new Request(`http://${host}/`, { headers })),
    ).toBe(isOpen);
  check({}, true);
  check({ "sec-fetch-site": "none" }, true);
  check({ "sec-fetch-site": "cross-site" }, false);
  check({ "sec-fetch-site": "same-site" }, false);
  check({}, false, "example.org");
});

it("lets a request go whose event is not taken", async () => {
  vi.spyOn(console, "error").mockImplementation(() => undefined);
  const name = `t/${"n".repeat(100)}`;
  await create(name);
  const stub = env.REPOSITORY.getByName(name);
  const indexes: unknown[] = [];
  const writeDataPoint = ({ indexes: [index] }: { indexes: string[] }) => {
    indexes.push(index);
    throw new TypeError("too many bytes");
  };
  await runInDurableObject(stub, (object) => {
    const { report } = object as unknown as { report: object };
    Object.assign(report, { env: { ...env, EVENTS: { writeDataPoint } } });
  });
  const answer = await refs(name);
  expect([answer.status, await textOf(answer)]).toEqual([200, expect.stringMatching(/0000$/)]);
  expect(indexes).toEqual([name.slice(0, 96)]);
  expect((await stub.usage()).instances).toBe(0);
});

it("tells the operator what he asked wrongly", async () => {
  await create("t/asked");
  const check = async (path: string, more: object, text: string) => {
    const body = JSON.stringify({ repository: "t/asked", ...more });
    const answer = await SELF.fetch(`http://gitcell${path}`, { method: "POST", headers: ADMIN, body });
    expect(`${answer.status} ${await textOf(answer)}`).toBe(`${text}\n`);
  };
  for (const days of ["x", -1, [1, 2]]) {
    await check("/-/cool", { days }, "400 days is a number from 0 on");
  }
  for (const snapshot of [undefined, 7, "cold/a"]) {
    await check("/-/restore", { snapshot }, "400 a snapshot is named as GET /-/snapshots has it");
  }
});
