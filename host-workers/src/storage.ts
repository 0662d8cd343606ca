// Rows: one repository's ordered table in the object's SQLite, as abi.wit promises it. Knows no
// Git.
//
// Small values lie in the table of keys, which costs one written row; larger ones would make every
// comparison of keys read them whole, so they lie in a table of their own. A cold row is a key with
// a place in an object of the slow tier. What the platform bills is as SQLite counts: a key that is
// not there and an INSERT read nothing, an UPDATE or a RETURNING reads a row, a scan one row more than
// it finds.

import { Shelf, type Warm } from "./cache";
import type { Bytes, Change } from "./engine";
import { Fault, guarded } from "./fault";

// Bounds of abi.wit: an engine that passes them has broken the contract.
export const KEY_MAX = 512;
export const VALUE_MAX = 1 << 20;
// The largest value beside its key: with a key of any length it takes at most one page of SQLite's
// (of 4 KiB) beside the key's.
const INLINE_MAX = 4000;
// What all objects of the isolate keep in memory together.
const KEPT_ALL = 8 << 20;
const shelf = new Shelf(KEPT_ALL);

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS rows (
    key BLOB PRIMARY KEY, value BLOB, page INTEGER, object INTEGER, start INTEGER, size INTEGER
  ) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS pages (id INTEGER PRIMARY KEY, value BLOB NOT NULL);
  CREATE TABLE IF NOT EXISTS objects (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL, bytes INTEGER NOT NULL, held INTEGER
  );
  CREATE TABLE IF NOT EXISTS touched (day INTEGER PRIMARY KEY, keys TEXT NOT NULL);
  CREATE TABLE IF NOT EXISTS notes (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
`;
// The one row of `notes`.
const OWN = "own";

// Where a cold row's value lies in the slow tier.
export interface Place {
  readonly object: number;
  readonly start: number;
  readonly size: number;
}

// A row's value, or where it lies.
export type Held = Warm | Place;

export interface Found {
  readonly key: Bytes;
  readonly held: Held;
}

// While rows are copied: what those of them held when that began that were changed since, by name.
export class Frozen extends Map<string, { key: Bytes; held: Held | undefined }> {
  constructor(readonly includes: (key: Bytes) => boolean) {
    super();
  }
}

// What the host itself must remember of a repository, by name.
export type Notes = Readonly<Record<string, string | undefined>>;

// What the platform bills, as SQLite counts it.
export interface Cost {
  rowsRead: number;
  rowsWritten: number;
}

interface Raw extends Record<string, SqlStorageValue> {
  value: ArrayBuffer | null;
  page: number | null;
  object: number | null;
  start: number | null;
  size: number | null;
}

interface RawKey extends Raw {
  key: ArrayBuffer;
}

export class Rows {
  private readonly cost: Cost = { rowsRead: 0, rowsWritten: 0 };
  private readonly cache;
  private isMade = false;
  private isFilled = false;
  private pageLast: number | undefined;
  // What the notes say; unknown after a fault.
  private own: Notes | undefined;
  private frozen: Frozen | undefined;

  constructor(
    private readonly storage: DurableObjectStorage,
    owner: string,
  ) {
    this.cache = shelf.open(owner);
    this.own = this.notes();
  }

  // The costs since the last call.
  takeCost(): Cost {
    const cost = { ...this.cost };
    this.cost.rowsRead = 0;
    this.cost.rowsWritten = 0;
    return cost;
  }

  get isEmpty(): boolean {
    this.isFilled ||= this.note("name") !== undefined;
    this.isFilled ||= this.isMade && this.run("SELECT 1 FROM rows LIMIT 1").length > 0;
    return !this.isFilled;
  }

  // Bytes of the database's file.
  get bytes(): number {
    return this.storage.sql.databaseSize;
  }

  // The number of the last page.
  get lastPage(): number {
    const sql = "SELECT COALESCE(MAX(id), 0) AS id FROM pages";
    this.pageLast ??= this.run<{ id: number }>(sql)[0]?.id ?? 0;
    return this.pageLast;
  }

  get(key: Bytes): Held | undefined {
    if (!this.isMade) return undefined;
    const name = latin1(key);
    const kept = this.cache.get(name);
    if (kept) return kept;
    const sql = "SELECT value, page, object, start, size FROM rows WHERE key = ?";
    const raw = this.run<Raw>(sql, key)[0];
    const held = raw && this.held(raw);
    if (held && "bytes" in held) this.cache.put(name, held);
    return held;
  }

  // The next rows in key order after `after` whose keys start with `prefix`, until `bytesMax` would
  // be passed; at least one, if there is one.
  scan(prefix: Bytes, after: Bytes, bytesMax: number): Found[] {
    return this.range(first(prefix, after), end(prefix), bytesMax);
  }

  // The same, from one key on and before another.
  range(from: Bytes, to: Bytes, bytesMax: number): Found[] {
    const found: Found[] = [];
    if (!this.isMade) return found;
    const sql = "SELECT * FROM rows WHERE key >= ? AND key < ? ORDER BY key";
    let bytes = 0;
    for (const raw of this.each<RawKey>(sql, from, to)) {
      const held = this.held(raw);
      bytes += raw.key.byteLength + ("object" in held ? held.size : held.bytes.length);
      if (bytes > bytesMax && found.length > 0) break;
      found.push({ key: new Uint8Array(raw.key), held });
    }
    return found;
  }

  // If every expected row still holds, applies all writes and answers true; else changes nothing.
  // What `also` notes is noted with them. The object's output gate, and `sync` before bytes that are
  // streamed, keep back what is not yet durable.
  commit(expects: readonly Change[], writes: readonly Change[], also?: () => void): boolean {
    return this.transaction(() => {
      if (!expects.every((expect) => this.holds(expect))) return false;
      for (const write of writes) this.write(write);
      also?.();
      return true;
    });
  }

  // Runs other rooms' SQL, counted.
  run<T extends Record<string, SqlStorageValue>>(
    sql: string,
    ...values: (SqlStorageValue | Bytes)[]
  ): T[] {
    return guarded(() => {
      const cursor = this.storage.sql.exec<T>(sql, ...(values as SqlStorageValue[]));
      const rows = cursor.toArray();
      this.count(cursor);
      return rows;
    });
  }

  // The same, a row at a time.
  *each<T extends Record<string, SqlStorageValue>>(
    sql: string,
    ...values: (SqlStorageValue | Bytes)[]
  ): Generator<T> {
    const cursor = guarded(() => this.storage.sql.exec<T>(sql, ...(values as SqlStorageValue[])));
    const next = () => cursor.next();
    try {
      for (;;) {
        const { done, value } = guarded(next);
        if (done) return;
        yield value;
      }
    } finally {
      this.count(cursor);
    }
  }

  // All of `work`, or nothing. If it fails, what is kept in memory is no longer what is stored.
  transaction<T>(work: () => T): T {
    this.make();
    const failed: unknown[] = [];
    try {
      return this.storage.transactionSync(() => {
        try {
          return work();
        } catch (error) {
          failed.push(error);
          throw error;
        }
      });
    } catch (error) {
      this.forget();
      throw failed.length > 0 ? failed[0] : new Fault(error);
    }
  }

  // Resolves once all that was written is durable.
  async sync(): Promise<void> {
    try {
      await this.storage.sync();
    } catch (error) {
      throw new Fault(error);
    }
  }

  note(name: string): string | undefined {
    this.own ??= this.notes();
    return this.own[name];
  }

  // Writes them, and others stay; at most one row, and none if all was so before.
  setNotes(notes: Notes): void {
    if (Object.entries(notes).every(([name, value]) => this.note(name) === value)) return;
    this.make();
    const all = { ...this.own, ...notes };
    this.run("INSERT OR REPLACE INTO notes VALUES (?, ?)", OWN, JSON.stringify(all));
    this.own = all;
  }

  // An object that is only looked at has no tables, and is not billed.
  private notes(): Notes {
    try {
      const sql = "SELECT value FROM notes WHERE name = ?";
      const own = this.run<{ value: string }>(sql, OWN)[0];
      this.isMade = true;
      return own ? JSON.parse(own.value) : {};
    } catch (error) {
      if (error instanceof Fault && String(error.cause).includes("no such table")) return {};
      throw error;
    }
  }

  // The row has moved to the slow tier.
  moved(key: Bytes): void {
    this.cache.drop(latin1(key));
  }

  // Until `thaw`, what rows hold now can still be had when they are changed.
  freeze(includes: (key: Bytes) => boolean): Frozen {
    return (this.frozen = new Frozen(includes));
  }

  thaw(): void {
    this.frozen = undefined;
  }

  // Deletes all rows of the repository, not what the host notes.
  clear(): void {
    this.transaction(() => {
      this.run("DELETE FROM rows");
      this.run("DELETE FROM pages");
      this.run("UPDATE objects SET held = 0");
    });
    this.forget();
  }

  private forget(): void {
    this.cache.clear();
    this.own = undefined;
    this.isFilled = false;
    this.pageLast = undefined;
  }

  // The tables, with the first thing that is written.
  make(): void {
    if (this.isMade) return;
    guarded(() => this.storage.sql.exec(SCHEMA));
    this.isMade = true;
  }

  private held(raw: Raw): Held {
    if (raw.value !== null) return { bytes: new Uint8Array(raw.value), page: undefined };
    if (raw.object !== null && raw.start !== null && raw.size !== null) {
      return { object: raw.object, start: raw.start, size: raw.size };
    }
    const page = this.run<{ value: ArrayBuffer }>("SELECT value FROM pages WHERE id = ?", raw.page);
    if (!page[0] || raw.page === null) throw new Error("a row has lost its page");
    return { bytes: new Uint8Array(page[0].value), page: raw.page };
  }

  private holds({ key, value }: Change): boolean {
    const held = this.get(key);
    if (!held || !value) return held === value;
    if ("object" in held) throw new Error("a cold row is expected by its value");
    return equal(held.bytes, value);
  }

  private write({ key, value }: Change): void {
    if (key.length > KEY_MAX) throw new Error(`the engine wrote a key of ${key.length} bytes`);
    if (value && value.length > VALUE_MAX) {
      throw new Error(`the engine wrote ${value.length} bytes`);
    }
    const name = latin1(key);
    if (this.frozen?.includes(key) && !this.frozen.has(name)) {
      this.frozen.set(name, { key, held: this.get(key) });
    }
    const old = this.old(key, name);
    this.cache.drop(name);
    if (old?.object) this.leave(old.object);
    const isLarge = value !== undefined && value.length > INLINE_MAX;
    if (old?.page && !isLarge) this.run("DELETE FROM pages WHERE id = ?", old.page);
    if (!value) {
      if (old) this.run("DELETE FROM rows WHERE key = ?", key);
      return;
    }
    const page = isLarge ? (old?.page ?? this.lastPage + 1) : undefined;
    if (page) this.run("INSERT OR REPLACE INTO pages VALUES (?, ?)", page, value);
    if (page && page > this.lastPage) this.pageLast = page;
    if (!page || page !== old?.page) {
      const sql = "INSERT OR REPLACE INTO rows (key, value, page) VALUES (?, ?, ?)";
      this.run(sql, key, page ? null : value, page ?? null);
    }
    this.cache.put(name, { bytes: value, page });
  }

  // Where a row's value lies so far.
  private old(key: Bytes, name: string): { page?: number; object?: number } | undefined {
    const kept = this.cache.get(name);
    if (kept) return kept.page ? { page: kept.page } : {};
    const sql = "SELECT page, object FROM rows WHERE key = ?";
    const raw = this.run<Pick<Raw, "page" | "object">>(sql, key)[0];
    if (!raw) return undefined;
    const { page, object } = raw;
    return { ...(page !== null && { page }), ...(object !== null && { object }) };
  }

  // A cold row goes; its object is swept when the last one has gone.
  private leave(object: number): void {
    this.run("UPDATE objects SET held = held - 1 WHERE id = ?", object);
  }

  private count(cursor: SqlStorageCursor<Record<string, SqlStorageValue>>): void {
    this.cost.rowsRead += cursor.rowsRead;
    this.cost.rowsWritten += cursor.rowsWritten;
  }
}

// The first key that a scan may meet: the one right after `after`, or the prefix itself.
function first(prefix: Bytes, after: Bytes): Bytes {
  return compare(after, prefix) < 0 ? prefix : next(after);
}

// The first key after this one.
export function next(key: Bytes): Bytes {
  return concat([key, new Uint8Array(1)]);
}

// A key after all that start with `prefix`: no key is as long as this one.
export function end(prefix: Bytes): Bytes {
  return concat([prefix, new Uint8Array(KEY_MAX + 1).fill(0xff)]);
}

function compare(a: Bytes, b: Bytes): number {
  const size = Math.min(a.length, b.length);
  for (let at = 0; at < size; at += 1) {
    const difference = (a[at] ?? 0) - (b[at] ?? 0);
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}

export function equal(a: Bytes, b: Bytes): boolean {
  return a.length === b.length && compare(a, b) === 0;
}

export function concat(parts: readonly Uint8Array[]): Bytes {
  const whole = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

// A key as text, each byte a letter.
export function latin1(key: Bytes): string {
  return String.fromCharCode(...key);
}
