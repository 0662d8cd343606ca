// Rows: one repository's ordered table in the object's SQLite, as abi.wit promises it. Knows no
// Git.
//
// Small values lie in the table of keys, which costs one written row; larger ones would make every
// comparison of keys read them whole, so they lie in a table of their own. A cold row is a key with
// a place in an object of the slow tier.

import type { Bytes, Change } from "./engine";

// Bounds of abi.wit: an engine that passes them has broken the contract.
export const KEY_MAX = 512;
export const VALUE_MAX = 1 << 20;
// The largest value that SQLite keeps on the page of its key (of 4 KiB), beside the longest key.
const INLINE_MAX = 400;

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

// Where a cold row's value lies in the slow tier.
export interface Place {
  readonly object: number;
  readonly start: number;
  readonly size: number;
}

// A row's value, or where it lies.
export type Held = Bytes | Place;

export interface Found {
  readonly key: Bytes;
  readonly held: Held;
}

// What the platform bills, as SQLite counts it.
export interface Cost {
  rowsRead: number;
  rowsWritten: number;
}

interface Raw extends Record<string, SqlStorageValue> {
  key: ArrayBuffer;
  value: ArrayBuffer | null;
  page: number | null;
  object: number | null;
  start: number | null;
  size: number | null;
}

export class Rows {
  private readonly cost: Cost = { rowsRead: 0, rowsWritten: 0 };
  private isMade: boolean;

  constructor(private readonly storage: DurableObjectStorage) {
    // An object that is only looked at stays empty, and is not billed.
    const found = this.run("SELECT 1 FROM sqlite_master WHERE name = 'notes'");
    this.isMade = found.length > 0;
  }

  // The costs since the last call.
  takeCost(): Cost {
    const cost = { ...this.cost };
    this.cost.rowsRead = 0;
    this.cost.rowsWritten = 0;
    return cost;
  }

  get isEmpty(): boolean {
    return !this.isMade || this.run("SELECT 1 FROM rows LIMIT 1").length === 0;
  }

  // Bytes of the database's file.
  get bytes(): number {
    return this.storage.sql.databaseSize;
  }

  get(key: Bytes): Held | undefined {
    if (!this.isMade) return undefined;
    const raw = this.run<Raw>("SELECT * FROM rows WHERE key = ?", key)[0];
    return raw && this.held(raw);
  }

  // The next rows in key order after `after` whose keys start with `prefix`, until `bytesMax` would
  // be passed; at least one, if there is one.
  scan(prefix: Bytes, after: Bytes, bytesMax: number): Found[] {
    const found: Found[] = [];
    if (!this.isMade) return found;
    const sql = "SELECT * FROM rows WHERE key >= ? AND key < ? ORDER BY key";
    const cursor = this.storage.sql.exec<Raw>(sql, first(prefix, after), end(prefix));
    let bytes = 0;
    for (const raw of cursor) {
      const held = this.held(raw);
      bytes += raw.key.byteLength + ("object" in held ? held.size : held.length);
      if (bytes > bytesMax && found.length > 0) break;
      found.push({ key: new Uint8Array(raw.key), held });
    }
    this.count(cursor);
    return found;
  }

  // If every expected row still holds, applies all writes and answers true; else changes nothing.
  // The object's output gate, and `sync` before bytes that are streamed, keep back what is not yet
  // durable.
  commit(expects: readonly Change[], writes: readonly Change[]): boolean {
    this.make();
    return this.storage.transactionSync(() => {
      if (!expects.every((expect) => this.holds(expect))) return false;
      for (const write of writes) this.write(write);
      return true;
    });
  }

  // Runs other rooms' SQL, counted.
  run<T extends Record<string, SqlStorageValue>>(
    sql: string,
    ...values: (SqlStorageValue | Bytes)[]
  ): T[] {
    const cursor = this.storage.sql.exec<T>(sql, ...(values as SqlStorageValue[]));
    const rows = cursor.toArray();
    this.count(cursor);
    return rows;
  }

  // The same, a row at a time: who stops early has read no more.
  *each<T extends Record<string, SqlStorageValue>>(
    sql: string,
    ...values: (SqlStorageValue | Bytes)[]
  ): Generator<T> {
    const cursor = this.storage.sql.exec<T>(sql, ...(values as SqlStorageValue[]));
    try {
      yield* cursor;
    } finally {
      this.count(cursor);
    }
  }

  transaction<T>(work: () => T): T {
    this.make();
    return this.storage.transactionSync(work);
  }

  note(name: string): string | undefined {
    if (!this.isMade) return undefined;
    return this.run<{ value: string }>("SELECT value FROM notes WHERE name = ?", name)[0]?.value;
  }

  setNote(name: string, value: string | undefined): void {
    this.make();
    if (value === undefined) this.run("DELETE FROM notes WHERE name = ?", name);
    else this.run("INSERT OR REPLACE INTO notes VALUES (?, ?)", name, value);
  }

  make(): void {
    if (this.isMade) return;
    this.storage.sql.exec(SCHEMA);
    this.isMade = true;
  }

  private held(raw: Raw): Held {
    if (raw.value !== null) return new Uint8Array(raw.value);
    if (raw.object !== null && raw.start !== null && raw.size !== null) {
      return { object: raw.object, start: raw.start, size: raw.size };
    }
    const page = this.run<{ value: ArrayBuffer }>("SELECT value FROM pages WHERE id = ?", raw.page);
    if (!page[0]) throw new Error("a row has lost its page");
    return new Uint8Array(page[0].value);
  }

  private holds({ key, value }: Change): boolean {
    const held = this.get(key);
    if (!held || !value) return held === value;
    if ("object" in held) throw new Error("a cold row is expected by its value");
    return equal(held, value);
  }

  private write({ key, value }: Change): void {
    if (key.length > KEY_MAX) throw new Error(`the engine wrote a key of ${key.length} bytes`);
    const sql = "SELECT page, object FROM rows WHERE key = ?";
    const old = this.run<Pick<Raw, "page" | "object">>(sql, key)[0];
    if (old && old.object !== null) this.leave(old.object);
    if (!value) {
      if (old?.page) this.run("DELETE FROM pages WHERE id = ?", old.page);
      if (old) this.run("DELETE FROM rows WHERE key = ?", key);
      return;
    }
    if (value.length > VALUE_MAX) throw new Error(`the engine wrote ${value.length} bytes`);
    if (old?.page && value.length > INLINE_MAX) {
      this.run("UPDATE pages SET value = ? WHERE id = ?", value, old.page);
      return;
    }
    if (old?.page) this.run("DELETE FROM pages WHERE id = ?", old.page);
    const page = value.length > INLINE_MAX ? this.addPage(value) : null;
    const sqlWrite = "INSERT OR REPLACE INTO rows (key, value, page) VALUES (?, ?, ?)";
    this.run(sqlWrite, key, page === null ? value : null, page);
  }

  private addPage(value: Bytes): number {
    const sql = "INSERT INTO pages (value) VALUES (?) RETURNING id";
    const page = this.run<{ id: number }>(sql, value)[0];
    if (!page) throw new Error("SQLite gave no id");
    return page.id;
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
  return compare(after, prefix) < 0 ? prefix : concat([after, new Uint8Array(1)]);
}

// A key after all that start with `prefix`: no key is as long as this one.
function end(prefix: Bytes): Bytes {
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
