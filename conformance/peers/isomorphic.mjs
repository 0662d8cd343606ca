// isomorphic-git: `isomorphic.mjs begin|end URL FOLDER`. See journeys/peers.rs for what is asked of a peer.

import assert from "node:assert/strict";
import fs from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";

// The packages lie in the project's target folder, not beside this file.
const require = createRequire(path.join(process.env.PEER_PACKAGES, "peer.js"));
const git = require("isomorphic-git");
const http = require("isomorphic-git/http/node");

const author = { name: "Ada", email: "ada@example.org", timestamp: 1700000000, timezoneOffset: 0 };

async function push(dir, url, options) {
    const answer = await git.push({ fs, http, dir, url, remote: "origin", ...options });
    assert.ok(answer.ok, JSON.stringify(answer));
    for (const [ref, status] of Object.entries(answer.refs)) assert.ok(status.ok, `${ref}: ${status.error}`);
}

async function begin(url, dir) {
    await git.clone({ fs, http, dir, url });
    assert.equal(fs.readFileSync(path.join(dir, "README"), "utf8"), "hello\n");
    for (const protocolVersion of [1, 2]) {
        const refs = await git.listServerRefs({ http, url, protocolVersion });
        const names = refs.map((ref) => ref.ref);
        for (const name of ["HEAD", "refs/heads/main", "refs/heads/old", "refs/tags/v1"]) assert.ok(names.includes(name), name);
    }
    await git.branch({ fs, dir, ref: "peer", checkout: true });
    fs.writeFileSync(path.join(dir, "from-peer"), "peer\n");
    await git.add({ fs, dir, filepath: "from-peer" });
    await git.commit({ fs, dir, message: "from a peer\n", author });
    await git.branch({ fs, dir, ref: "peer-gone" });
    await git.annotatedTag({ fs, dir, ref: "peer-tag", message: "tagged\n", tagger: author });
    for (const ref of ["peer", "peer-gone", "peer-tag"]) await push(dir, url, { ref });
}

async function end(url, dir) {
    await git.fetch({ fs, http, dir, url, remote: "origin", prune: true });
    const main = await git.resolveRef({ fs, dir, ref: "refs/remotes/origin/main" });
    const { blob } = await git.readBlob({ fs, dir, oid: main, filepath: "later" });
    assert.equal(Buffer.from(blob).toString(), "later\n");
    const [tip] = await git.log({ fs, dir, ref: "peer", depth: 1 });
    await git.writeRef({ fs, dir, ref: "refs/heads/peer", value: tip.commit.parent[0], force: true });
    await assert.rejects(push(dir, url, { ref: "peer" }), git.Errors.PushRejectedError);
    await push(dir, url, { ref: "peer", force: true });
    await push(dir, url, { ref: "peer-gone", delete: true });
    const shallow = path.join(path.dirname(dir), "shallow");
    await git.clone({ fs, http, dir: shallow, url, depth: 1, singleBranch: true });
    assert.equal((await git.log({ fs, dir: shallow })).length, 1);
    assert.ok(fs.existsSync(path.join(shallow, "later")));
    await git.fetch({ fs, http, dir: shallow, url, depth: 1, relative: true, ref: "main", singleBranch: true });
    assert.equal((await git.log({ fs, dir: shallow })).length, 2);
}

const [step, url, folder] = process.argv.slice(2);
await { begin, end }[step](url, folder);
