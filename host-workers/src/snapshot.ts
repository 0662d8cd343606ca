// A repository's complete state in R2: parts of rows, then a manifest, which makes them a snapshot.
// Knows rows only.

import type { Bytes } from "./engine";
import { type Rows, concat } from "./storage";
import { IMMUTABLE, IMMUTABLE_END, Reader, type Tier } from "./tier";
import { hex } from "./tokens";

const PART_MAX = 8 << 20;
// Snapshots of one repository that are kept.
const KEPT = 7;

interface Part {
  readonly name: string;
  readonly bytes: number;
  readonly sha256: string;
}

interface Manifest {
  readonly version: 1;
  readonly repository: string;
  readonly time: string;
  readonly rows: number;
  readonly parts: readonly Part[];
}

export async function take(
  rows: Rows,
  tier: Tier,
  bucket: R2Bucket,
  repository: string,
): Promise<string> {
  const time = new Date().toISOString();
  const name = `snapshots/${repository}/${time}-${crypto.randomUUID().slice(0, 8)}`;
  // What changes is read at one moment; what never changes may be copied in its own time.
  const changing = changingRows(rows);
  const keys = immutableKeys(rows);
  const writer = new Writer(bucket, name);
  for (const { key, value } of changing) await writer.add(key, value);
  const reader = new Reader(rows, tier, false);
  for (const key of keys) {
    const value = await reader.get(key);
    if (!value) throw new Error("a row was deleted meanwhile: take the snapshot again");
    await writer.add(key, value);
  }
  await writer.end({ version: 1, repository, time, rows: changing.length + keys.length });
  await prune(bucket, repository);
  return name;
}

// Names of a repository's snapshots, the oldest first.
export async function list(bucket: R2Bucket, repository: string): Promise<string[]> {
  const names = await folders(bucket, repository);
  const manifests = await Promise.all(names.map((name) => bucket.head(`${name}/manifest.json`)));
  return names.filter((_, at) => manifests[at] !== null);
}

// The same, and those that were never finished.
async function folders(bucket: R2Bucket, repository: string): Promise<string[]> {
  const names: string[] = [];
  for (let cursor: string | undefined; ; ) {
    const prefix = `snapshots/${repository}/`;
    const found = await bucket.list({ prefix, delimiter: "/", cursor });
    names.push(...found.delimitedPrefixes.map((name) => name.slice(0, -1)));
    if (!found.truncated) return names.sort();
    cursor = found.cursor;
  }
}

// Writes a snapshot's rows into an empty table.
export async function restore(rows: Rows, bucket: R2Bucket, name: string): Promise<void> {
  const stored = await bucket.get(`${name}/manifest.json`);
  if (!stored) throw new Error(`there is no snapshot ${name}`);
  const manifest = await stored.json<Manifest>();
  if (manifest.version !== 1) throw new Error("the snapshot is of a later version");
  let count = 0;
  for (const part of manifest.parts) {
    const bytes = await verified(bucket, part);
    const writes = [...unpack(bytes)];
    count += writes.length;
    if (!rows.commit([], writes)) throw new Error("rows could not be written");
  }
  if (count !== manifest.rows) throw new Error("the snapshot is incomplete");
}

function changingRows(rows: Rows): { key: Bytes; value: Bytes }[] {
  const sql = "SELECT key FROM rows WHERE key < ? OR key >= ? ORDER BY key";
  return rows.run<{ key: ArrayBuffer }>(sql, IMMUTABLE, IMMUTABLE_END).map((raw) => {
    const key = new Uint8Array(raw.key);
    const held = rows.get(key);
    if (!held || "object" in held) throw new Error("a row that changes is cold");
    return { key, value: held.bytes };
  });
}

function immutableKeys(rows: Rows): Bytes[] {
  const sql = "SELECT key FROM rows WHERE key >= ? AND key < ? ORDER BY key";
  const found = rows.run<{ key: ArrayBuffer }>(sql, IMMUTABLE, IMMUTABLE_END);
  return found.map(({ key }) => new Uint8Array(key));
}

class Writer {
  private readonly parts: Part[] = [];
  private pieces: Bytes[] = [];
  private bytes = 0;

  constructor(
    private readonly bucket: R2Bucket,
    private readonly name: string,
  ) {}

  async add(key: Bytes, value: Bytes): Promise<void> {
    const sizes = new Uint8Array(8);
    const view = new DataView(sizes.buffer);
    view.setUint32(0, key.length, true);
    view.setUint32(4, value.length, true);
    this.pieces.push(sizes, key, value);
    this.bytes += 8 + key.length + value.length;
    if (this.bytes >= PART_MAX) await this.flush();
  }

  async end(manifest: Omit<Manifest, "parts">): Promise<void> {
    if (this.bytes > 0) await this.flush();
    const text = JSON.stringify({ ...manifest, parts: this.parts });
    await this.bucket.put(`${this.name}/manifest.json`, text);
  }

  private async flush(): Promise<void> {
    const bytes = concat(this.pieces);
    this.pieces = [];
    this.bytes = 0;
    const name = `${this.name}/${String(this.parts.length).padStart(6, "0")}`;
    const sha256 = await crypto.subtle.digest("SHA-256", bytes);
    await this.bucket.put(name, bytes, { sha256 });
    this.parts.push({ name, bytes: bytes.length, sha256: hex(new Uint8Array(sha256)) });
  }
}

async function verified(bucket: R2Bucket, part: Part): Promise<Bytes> {
  const stored = await bucket.get(part.name);
  if (!stored) throw new Error("a part of the snapshot is gone");
  const bytes = new Uint8Array(await stored.arrayBuffer());
  const sha256 = hex(new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)));
  if (sha256 !== part.sha256) throw new Error("a part of the snapshot is damaged");
  return bytes;
}

function* unpack(bytes: Bytes): Generator<{ key: Bytes; value: Bytes }> {
  const view = new DataView(bytes.buffer);
  for (let at = 0; at < bytes.length; ) {
    const [keySize, valueSize] = [view.getUint32(at, true), view.getUint32(at + 4, true)];
    const key = bytes.slice(at + 8, at + 8 + keySize);
    at += 8 + keySize + valueSize;
    yield { key, value: bytes.slice(at - valueSize, at) };
  }
}

// Drops all but the last snapshots, and what was left of those that were never finished.
async function prune(bucket: R2Bucket, repository: string): Promise<void> {
  const kept = new Set((await list(bucket, repository)).slice(-KEPT));
  for (const name of await folders(bucket, repository)) {
    if (!kept.has(name)) await remove(bucket, name);
  }
}

// The manifest first: what is half removed is no snapshot.
async function remove(bucket: R2Bucket, name: string): Promise<void> {
  await bucket.delete(`${name}/manifest.json`);
  for (;;) {
    const parts = await bucket.list({ prefix: `${name}/` });
    if (parts.objects.length === 0) return;
    await bucket.delete(parts.objects.map(({ key }) => key));
  }
}
