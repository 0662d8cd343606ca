// Real git beside the tests, which run in workerd: whether a pack and its refs are whole. And what
// engine/build/replay.sh has recorded. Runs in Node, by vitest.config.ts.

import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";

// What git says of a clone that got this pack and these refs; `ok`: nothing.
function judge(pack, refs) {
  const folder = mkdtempSync(join(tmpdir(), "gitcell-judge-"));
  const git = (input, ...words) =>
    execFileSync("git", ["-C", folder, ...words], { input, stdio: "pipe" });
  try {
    git("", "init", "--quiet", "--bare");
    git(pack, "index-pack", "--stdin", "--strict");
    git(refs, "update-ref", "--stdin");
    git("", "fsck", "--full", "--strict", "--no-dangling");
    return "ok";
  } catch (error) {
    return String(error);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const RECORDS = join(process.env.CARGO_TARGET_DIR ?? "../target", "replay");

export default async function setup(project) {
  const server = createServer(async (request, response) => {
    const pieces = [];
    for await (const piece of request) pieces.push(piece);
    const name = request.method === "GET" && /^\/[0-9a-f]+$/.exec(request.url);
    if (name) return void response.end(readFileSync(join(RECORDS, name[0])));
    const refs = decodeURIComponent(new URL(request.url, "http://judge").search.slice(1));
    response.end(judge(Buffer.concat(pieces), refs));
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  project.provide("stride", process.env.CRASHES === "all" ? 1 : 7);
  project.provide("records", existsSync(RECORDS) ? readdirSync(RECORDS).sort() : []);
  project.provide("judge", `http://127.0.0.1:${server.address().port}`);
  return () => void server.close();
}
