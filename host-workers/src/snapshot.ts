// A repository's complete state in R2: parts of rows, then a manifest, which makes them a snapshot.
// Knows rows only.

import type { Bytes } from "./engine";
import { Refused } from "./refusal";
import { type Frozen, type Held, type Rows, concat, end, latin1, next } from "./storage";
import { IMMUTABLE, IMMUTABLE_END, Reader, STRAY, type Tier, isImmutable } from "./tier";
import { hex } from "./tokens";

const PART_MAX = 8 << 20;
// What changes is read so many bytes at a time.
const BATCH = 1 << 20;
// Snapshots of one repository that are kept.
const KEPT = 7;

interface Part {
  readonly name: string;
  readonly bytes: number;
  readonly sha256: string;
}

export interface Manifest {
  readonly version: 1;
  readonly repository: string;
  readonly time: string;
  readonly rows: number;
  readonly parts: readonly Part[];
}

// Does some MiB of work when there is memory for it.
export type Apart = <T>(work: () => Promise<T>) => Promise<T>;

interface Row {
  readonly key: Bytes;
  readonly value: Bytes;
}

export async function take(
  rows: Rows,
  tier: Tier,
  bucket: R2Bucket,
  repository: string,
  apart: Apart,
): Promise<string> {
  const time = new Date().toISOString();
  const name = `snapshots/${repository}/${time}-${crypto.randomUUID().slice(0, 8)}`;
  const writer = new Writer(bucket, name);
  const reader = new Reader(rows, tier, false);
  // What changes is copied as it is now; what never changes may be copied in its own time.
  const frozen = rows.freeze((key) => !isImmutable(key));
  try {
    const all = allRows(rows, frozen, immutableKeys(rows), reader);
    while (await apart(() => writer.part(all))) reader.release();
  } finally {
    rows.thaw();
  }
  await writer.end({ version: 1, repository, time });
  return name;
}

async function* allRows(
  rows: Rows,
  frozen: Frozen,
  keys: readonly Bytes[],
  reader: Reader,
): AsyncGenerator<Row, undefined> {
  yield* changingRows(rows, frozen);
  rows.thaw();
  for (const key of keys) {
    const value = await reader.get(key);
    if (!value) throw new Error("a row was deleted meanwhile: take the snapshot again");
    yield { key, value };
  }
}

// Names of a repository's snapshots, the oldest first.
export async function list(bucket: R2Bucket, repository: string): Promise<string[]> {
  return await finishedOf(bucket, await folders(bucket, repository));
}

async function finishedOf(bucket: R2Bucket, names: readonly string[]): Promise<string[]> {
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

// What a snapshot is made of. A refusal: it is none, or not as it was written.
export async function read(bucket: R2Bucket, name: string): Promise<Manifest> {
  const stored = await bucket.get(`${name}/manifest.json`);
  if (!stored) throw new Refused(404, `there is no snapshot ${name}`);
  const manifest = parse(await stored.text());
  if (!manifest) throw new Refused(409, "the snapshot's manifest is damaged");
  if (manifest.version !== 1) throw new Refused(409, "the snapshot is of a later version");
  if (!manifest.parts.every((part) => part.name.startsWith(`${name}/`))) {
    throw new Refused(409, "the snapshot's manifest is another's");
  }
  return manifest;
}

function parse(text: string): Manifest | undefined {
  try {
    const manifest = JSON.parse(text) as Partial<Manifest> | null;
    const isWhole =
      typeof manifest?.rows === "number" &&
      Array.isArray(manifest.parts) &&
      manifest.parts.every(({ name, sha256 }) => typeof name === "string" && typeof sha256 === "string");
    return isWhole ? (manifest as Manifest) : undefined;
  } catch {
    return undefined;
  }
}

// Writes a snapshot's rows into an empty table, and sees to it that there is room for the next part.
export async function restore(
  rows: Rows,
  bucket: R2Bucket,
  manifest: Manifest,
  apart: Apart,
  makeRoom: () => Promise<void>,
): Promise<void> {
  let count = 0;
  for (const part of manifest.parts) {
    count += await apart(async () => {
      const writes = [...unpack(await verified(bucket, part))];
      rows.commit([], writes);
      return writes.length;
    });
    await makeRoom();
  }
  if (count !== manifest.rows) throw new Refused(409, "the snapshot is incomplete");
}

// As they were when they were frozen, in pieces. One that is changed after it was given may come twice:
// it is the same.
function* changingRows(rows: Rows, frozen: Frozen): Generator<Row> {
  const none = new Uint8Array(0);
  for (const [start, before] of [[none, IMMUTABLE], [IMMUTABLE_END, end(none)]] as const) {
    for (let from = start; ; ) {
      const found = rows.range(from, before, BATCH);
      for (const { key, held } of found) {
        if (!frozen.has(latin1(key))) yield { key, value: warm(held) };
      }
      const last = found.at(-1);
      if (!last) break;
      from = next(last.key);
    }
  }
  for (const { key, held } of frozen.values()) if (held) yield { key, value: warm(held) };
}

function warm(held: Held): Bytes {
  if ("object" in held) throw new Error("a row that changes is cold");
  return held.bytes;
}

function immutableKeys(rows: Rows): Bytes[] {
  const sql = "SELECT key FROM rows WHERE key >= ? AND key < ? ORDER BY key";
  const found = rows.run<{ key: ArrayBuffer }>(sql, IMMUTABLE, IMMUTABLE_END);
  return found.map(({ key }) => new Uint8Array(key));
}

class Writer {
  private readonly parts: Part[] = [];
  private rows = 0;

  constructor(
    private readonly bucket: R2Bucket,
    private readonly name: string,
  ) {}

  // Puts the next part of the rows; false: there are no more.
  async part(rows: AsyncIterator<Row, undefined>): Promise<boolean> {
    const pieces: Bytes[] = [];
    for (let bytes = 0; bytes < PART_MAX; ) {
      const { value: row } = await rows.next();
      if (!row) break;
      const sizes = new Uint8Array(8);
      const view = new DataView(sizes.buffer);
      view.setUint32(0, row.key.length, true);
      view.setUint32(4, row.value.length, true);
      pieces.push(sizes, row.key, row.value);
      bytes += 8 + row.key.length + row.value.length;
      this.rows += 1;
    }
    if (pieces.length === 0) return false;
    await this.flush(concat(pieces));
    return true;
  }

  async end(manifest: Omit<Manifest, "parts" | "rows">): Promise<void> {
    const text = JSON.stringify({ ...manifest, rows: this.rows, parts: this.parts });
    await this.put(`${this.name}/manifest.json`, concat([new TextEncoder().encode(text)]));
  }

  private async flush(bytes: Bytes): Promise<void> {
    const name = `${this.name}/${String(this.parts.length).padStart(6, "0")}`;
    const sha256 = await this.put(name, bytes);
    this.parts.push({ name, bytes: bytes.length, sha256: hex(new Uint8Array(sha256)) });
  }

  // R2 refuses what does not have this sum when it arrives.
  private async put(name: string, bytes: Bytes): Promise<ArrayBuffer> {
    const sha256 = await crypto.subtle.digest("SHA-256", bytes);
    const stored = await this.bucket.put(name, bytes, { sha256 });
    if (stored?.size !== bytes.length) throw new Error(`R2 did not take ${name}`);
    return sha256;
  }
}

async function verified(bucket: R2Bucket, part: Part): Promise<Bytes> {
  const stored = await bucket.get(part.name);
  if (!stored) throw new Refused(409, "a part of the snapshot is gone");
  const bytes = new Uint8Array(await stored.arrayBuffer());
  const sha256 = hex(new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)));
  if (sha256 !== part.sha256) throw new Refused(409, "a part of the snapshot is damaged");
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

// Drops all but the last snapshots, and what was left of those that were never finished. False: some
// of that is too young.
export async function prune(bucket: R2Bucket, repository: string): Promise<boolean> {
  const all = await folders(bucket, repository);
  const finished = await finishedOf(bucket, all);
  const kept = new Set(finished.slice(-KEPT));
  let isClean = true;
  for (const name of all.filter((name) => !kept.has(name))) {
    const isFinished = finished.includes(name);
    const isYoung = !isFinished && timeOf(name) + STRAY > Date.now();
    if (isYoung) isClean = false;
    else await remove(bucket, name, isFinished);
  }
  return isClean;
}

// The manifest first: what is half removed is no snapshot. That there is none is asked twice.
async function remove(bucket: R2Bucket, name: string, isFinished: boolean): Promise<void> {
  const manifest = `${name}/manifest.json`;
  if (isFinished) await bucket.delete(manifest);
  else if ((await bucket.list({ prefix: manifest })).objects.length > 0) return;
  for (;;) {
    const parts = await bucket.list({ prefix: `${name}/` });
    if (parts.objects.length === 0) return;
    await bucket.delete(parts.objects.map(({ key }) => key));
  }
}

// When a snapshot was begun; its name ends with that time, and eight letters.
function timeOf(name: string): number {
  return Date.parse(name.slice(-33, -9));
}
