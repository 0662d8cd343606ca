// The slow tier: immutable rows that nobody has read for a while lie in R2, in objects of several
// MiB, and are read back by range while the instance is suspended. Knows no Git, only that what
// starts with `p/` never changes.

import type { Warm } from "./cache";
import type { Bytes, Change, Host, Row } from "./engine";
import { Fault } from "./fault";
import type { Apart } from "./snapshot";
import { type Place, type Rows, concat, equal, latin1 } from "./storage";

const OBJECT_MAX = 8 << 20;
// What a reader that goes on where it was fetches at once, at most.
const AHEAD_MAX = 4 << 20;
// The immutable rows are those from the first of these keys on, and before the second.
export const IMMUTABLE: Bytes = Uint8Array.of(0x70, 0x2f);
export const IMMUTABLE_END: Bytes = Uint8Array.of(0x70, 0x30);
const DAY = 86_400;
// What was sent to R2 and never finished is left alone for so many milliseconds: whoever sent it may
// have been ended, and it has yet to arrive.
export const STRAY = 3_600_000;

const UNBOUND = "a row is cold, and no R2 bucket is bound";

// An object that was never recorded, or of which no row is left.
const LOOSE = "(held IS NULL OR held <= 0)";

interface Candidate extends Record<string, SqlStorageValue> {
  key: ArrayBuffer;
  page: number;
  value: ArrayBuffer;
}

interface Stored extends Record<string, SqlStorageValue> {
  id: number;
  name: string;
  bytes: number;
}

interface Loose extends Record<string, SqlStorageValue> {
  id: number;
  name: string;
  held: number | null;
}

// What was read on one day of rows that are older than it.
interface Day {
  readonly number: number;
  // Pages from this number on were written that day or later.
  readonly first: number;
  readonly keys: Set<string>;
  // Whether it is to be written.
  isChanged: boolean;
  isStored: boolean;
}

// The same as a row holds it.
interface Kept {
  readonly first?: number;
  readonly keys?: readonly string[];
}

// What a step needs to know of its surroundings.
interface Around {
  readonly apart: Apart;
  // Whether no request runs that could not wait for a cold row.
  readonly isQuiet: () => boolean;
}

export class Tier {
  private day: Day | undefined;
  private moving: Promise<boolean> | undefined;

  constructor(
    private readonly rows: Rows,
    private readonly bucket: R2Bucket,
    // Where this object's rows lie in the bucket.
    private readonly prefix: string,
  ) {}

  get bytes(): number {
    return Number(this.rows.note("cold") ?? 0);
  }

  // Whether rows lie in SQLite that may grow cold.
  get hasWarm(): boolean {
    const sql = "SELECT 1 FROM rows WHERE key >= ? AND key < ? AND page IS NOT NULL LIMIT 1";
    return this.rows.run(sql, IMMUTABLE, IMMUTABLE_END).length > 0;
  }

  // Whether objects lie in R2, or are about to, that no row needs.
  get hasStrays(): boolean {
    return this.bytes > 0 && this.rows.run(`SELECT 1 FROM objects WHERE ${LOOSE} LIMIT 1`).length > 0;
  }

  // A row was read whose value lies in a page: what lies beside its key stays here for good.
  touch(key: Bytes, page: number): void {
    if (!isImmutable(key)) return;
    const day = this.today();
    const name = latin1(key);
    if (page >= day.first || day.keys.has(name)) return;
    day.keys.add(name);
    day.isChanged = true;
  }

  // Rows are about to be written.
  grows(): void {
    this.rows.make();
    const day = this.today();
    if (!day.isStored) day.isChanged = true;
  }

  // Keeps what was read or written today, in one row a day, which is written as seldom as it
  // changes.
  keep(): void {
    const { day } = this;
    if (!day?.isChanged) return;
    const text = JSON.stringify({ first: day.first, keys: [...day.keys] });
    this.rows.run("INSERT OR REPLACE INTO touched VALUES (?, ?)", day.number, text);
    day.isChanged = false;
    day.isStored = true;
  }

  private today(): Day {
    const number = Math.floor(Date.now() / 1000 / DAY);
    if (this.day?.number === number) return this.day;
    this.keep();
    const sql = "SELECT keys FROM touched WHERE day = ?";
    const found = this.rows.run<{ keys: string }>(sql, number)[0];
    const kept: Kept = found ? JSON.parse(found.keys) : {};
    const { first = this.rows.lastPage + 1, keys = [] } = kept;
    const isStored = found !== undefined;
    this.day = { number, first, keys: new Set(keys), isChanged: false, isStored };
    return this.day;
  }

  // Moves some rows: copy, verify, record, delete. False: there was nothing to move. One step at a
  // time: another one would take what this one copies for left behind.
  step(now: number, days: number, { apart, isQuiet }: Around): Promise<boolean> {
    this.moving ??= apart(() => this.move(now, days, isQuiet)).finally(() => {
      this.moving = undefined;
    });
    return this.moving;
  }

  private async move(now: number, days: number, isQuiet: () => boolean): Promise<boolean> {
    if (this.rows.isEmpty) return false;
    await this.sweep();
    const today = Math.floor(now / DAY);
    this.keep();
    this.rows.run("DELETE FROM touched WHERE day <= ?", today - days);
    if (days === 0) this.day = undefined;
    const found = this.candidates(this.readSince(today - days + 1));
    if (found.length === 0 || !isQuiet()) return false;
    const bytes = concat(found.map(({ value }) => new Uint8Array(value)));
    const object = this.begin(bytes.length);
    const sha256 = await crypto.subtle.digest("SHA-256", bytes);
    await this.bucket.put(object.name, bytes, { sha256 });
    const stored = await this.bucket.head(object.name);
    const { sha256: found256 } = stored?.checksums ?? {};
    if (stored?.size !== bytes.length || !found256 || !same(found256, sha256)) {
      throw new Error("R2 does not hold what it was given");
    }
    if (!isQuiet()) return false;
    this.record(object.id, found);
    return true;
  }

  // Removes objects of which no row is left, or that a step never finished.
  async sweep(): Promise<void> {
    const loose = `SELECT id, name, held FROM objects WHERE ${LOOSE}`;
    for (const { id, name, held } of this.rows.run<Loose>(loose)) {
      if (held === null && timeOf(name) + STRAY > Date.now()) continue;
      await this.bucket.delete(name);
      this.rows.transaction(() => {
        this.rows.run("DELETE FROM objects WHERE id = ?", id);
        this.noteBytes();
      });
    }
  }

  // So that no request needs to ask.
  private noteBytes(): void {
    const sql = "SELECT COALESCE(SUM(bytes), 0) AS bytes FROM objects";
    const bytes = this.rows.run<{ bytes: number }>(sql)[0]?.bytes ?? 0;
    this.rows.setNotes({ cold: bytes > 0 ? String(bytes) : undefined });
  }

  private candidates({ first, keys }: Pick<Day, "first" | "keys">): Candidate[] {
    const sql =
      "SELECT key, page FROM rows WHERE key >= ? AND key < ? AND page IS NOT NULL ORDER BY key";
    const found: Candidate[] = [];
    let bytes = 0;
    for (const { key, page } of this.rows.each<Candidate>(sql, IMMUTABLE, IMMUTABLE_END)) {
      if (page >= first || keys.has(latin1(new Uint8Array(key)))) continue;
      const held = this.rows.run<Candidate>("SELECT value FROM pages WHERE id = ?", page)[0];
      if (!held) continue;
      if (bytes + held.value.byteLength > OBJECT_MAX) break;
      bytes += held.value.byteLength;
      found.push({ key, page, value: held.value });
    }
    return found;
  }

  private begin(bytes: number): { id: number; name: string } {
    const name = `${this.prefix}/${Date.now()}-${crypto.randomUUID()}`;
    return this.rows.transaction(() => {
      const sql = "INSERT INTO objects (name, bytes) VALUES (?, ?) RETURNING id";
      const made = this.rows.run<{ id: number }>(sql, name, bytes)[0];
      if (!made) throw new Error("SQLite gave no id");
      this.noteBytes();
      return { id: made.id, name };
    });
  }

  private record(object: number, found: readonly Candidate[]): void {
    this.rows.transaction(() => {
      let [start, held] = [0, 0];
      for (const { key, page, value } of found) {
        const size = value.byteLength;
        const moved = this.rows.run(
          "UPDATE rows SET page = NULL, object = ?, start = ?, size = ? " +
            "WHERE key = ? AND page = ? RETURNING 1",
          object, start, size, key, page,
        );
        if (moved.length > 0) this.rows.run("DELETE FROM pages WHERE id = ?", page);
        this.rows.moved(new Uint8Array(key));
        held += moved.length;
        start += size;
      }
      const known = "UPDATE objects SET held = ? WHERE id = ? RETURNING 1";
      if (this.rows.run(known, held, object).length === 0) throw new Error("an object was swept");
    });
  }

  // What was read or written since a day began.
  private readSince(number: number): Pick<Day, "first" | "keys"> {
    const all = { first: Infinity, keys: new Set<string>() };
    const sql = "SELECT keys FROM touched WHERE day >= ?";
    for (const found of this.rows.run<{ keys: string }>(sql, number)) {
      const { first = Infinity, keys = [] }: Kept = JSON.parse(found.keys);
      all.first = Math.min(all.first, first);
      for (const key of keys) all.keys.add(key);
    }
    return all;
  }

  private stored(id: number): Stored {
    const sql = "SELECT id, name, bytes FROM objects WHERE id = ?";
    const object = this.rows.run<Stored>(sql, id)[0];
    if (!object) throw new Error("a cold row's object is not known");
    return object;
  }

  // A cold row and, if `size` is more, what follows it in its object.
  async fetch(place: Place, size: number): Promise<Bytes> {
    const object = this.stored(place.object);
    const length = Math.min(Math.max(size, place.size), object.bytes - place.start);
    const range = { offset: place.start, length };
    try {
      const body = await this.bucket.get(object.name, { range });
      const bytes = await body?.arrayBuffer();
      if (bytes?.byteLength === length) return new Uint8Array(bytes);
      throw new Error(`R2 gave ${bytes?.byteLength ?? "no"} bytes of ${length} of ${object.name}`);
    } catch (error) {
      throw new Fault(error);
    }
  }

  // A whole object, as it was given to R2: a part of one has no sum.
  async whole(id: number): Promise<Bytes> {
    const { name, bytes } = this.stored(id);
    try {
      const body = await this.bucket.get(name);
      const found = await body?.arrayBuffer();
      const { sha256 } = body?.checksums ?? {};
      if (sha256 && found?.byteLength === bytes) {
        const digest = await crypto.subtle.digest("SHA-256", found);
        if (same(sha256, digest)) return new Uint8Array(found);
      }
      throw new Error(`R2 gave other bytes than it was given as ${name}`);
    } catch (error) {
      throw new Fault(error);
    }
  }
}

// When an object was begun, by its name; old ones say nothing.
function timeOf(name: string): number {
  return Number(/\/(\d{13})-[^/]*$/.exec(name)?.[1] ?? 0);
}

function same(a: ArrayBuffer, b: ArrayBuffer): boolean {
  return equal(new Uint8Array(a), new Uint8Array(b));
}

// The rows as one request sees them: it reads ahead where the engine reads on.
export class Reader implements Omit<Host, "emit"> {
  private window: (Place & { readonly bytes: Bytes }) | undefined;
  private isOver = false;

  constructor(
    private readonly rows: Rows,
    private readonly tier: Tier | undefined,
    // Whether what is read here counts as read: a copy of everything does not, and is checked.
    private readonly touches: boolean,
    // Runs inside each commit that is applied.
    private readonly onChange?: () => void,
  ) {}

  // Bytes that are held.
  get size(): number {
    return this.window?.bytes.length ?? 0;
  }

  // The request is over: whoever still holds this holds no bytes by it.
  release(): void {
    this.isOver = true;
    this.window = undefined;
  }

  get(key: Bytes): Bytes | undefined | Promise<Bytes> {
    const held = this.rows.get(key);
    if (held && "object" in held) return this.read(held);
    if (held) this.touch(key, held);
    return held?.bytes;
  }

  scan(prefix: Bytes, after: Bytes, bytesMax: number): Row[] | Promise<Row[]> {
    const rows: Row[] = [];
    const found = this.rows.scan(prefix, after, bytesMax);
    for (const { key, held } of found) {
      if ("object" in held) return this.scanCold(found);
      this.touch(key, held);
      rows.push({ key, value: held.bytes });
    }
    return rows;
  }

  commit(expects: readonly Change[], writes: readonly Change[]): boolean | Promise<boolean> {
    if (this.touches && writes.some(({ value }) => value)) this.tier?.grows();
    const cold = expects.filter(({ key, value }) => value && isImmutable(key) && this.isCold(key));
    if (cold.length === 0) return this.rows.commit(expects, writes, this.onChange);
    return this.commitCold(expects, writes, cold);
  }

  private isCold(key: Bytes): boolean {
    const held = this.rows.get(key);
    return held !== undefined && "object" in held;
  }

  // Rows that never change need no comparison at the moment of the commit: they must be there then.
  private async commitCold(
    expects: readonly Change[],
    writes: readonly Change[],
    cold: readonly Change[],
  ): Promise<boolean> {
    for (const { key, value } of cold) {
      const held = await this.get(key);
      if (!held || !value || !equal(held, value)) return false;
    }
    if (!cold.every(({ key }) => this.rows.get(key))) return false;
    const warm = expects.filter((expect) => !cold.includes(expect));
    return this.rows.commit(warm, writes, this.onChange);
  }

  private async scanCold(found: ReturnType<Rows["scan"]>): Promise<Row[]> {
    const rows: Row[] = [];
    for (const { key, held } of found) {
      rows.push({ key, value: "object" in held ? await this.read(held) : held.bytes });
    }
    return rows;
  }

  private touch(key: Bytes, { page }: Warm): void {
    if (this.touches && page) this.tier?.touch(key, page);
  }

  private async read(place: Place): Promise<Bytes> {
    if (!this.touches) return await this.readWhole(place);
    const { window } = this;
    const at = window && window.object === place.object ? place.start - window.start : -1;
    if (window && at >= 0 && at + place.size <= window.bytes.length) {
      return window.bytes.subarray(at, at + place.size);
    }
    const goesOn = window !== undefined && at === window.bytes.length;
    const size = goesOn ? Math.min(Math.max(2 * window.bytes.length, 1 << 20), AHEAD_MAX) : 0;
    const bytes = await this.tier?.fetch(place, size);
    if (!bytes) throw new Fault(UNBOUND);
    if (!this.isOver) this.window = { ...place, bytes };
    return bytes.subarray(0, place.size);
  }

  // Of an object that was checked: what is copied is to be what was stored. Copies, since a snapshot
  // keeps them for longer than the object.
  private async readWhole(place: Place): Promise<Bytes> {
    if (this.window?.object !== place.object) {
      this.window = undefined;
      const bytes = await this.tier?.whole(place.object);
      if (!bytes) throw new Fault(UNBOUND);
      this.window = { ...place, start: 0, bytes };
    }
    return this.window.bytes.slice(place.start, place.start + place.size);
  }
}

export function isImmutable(key: Bytes): boolean {
  return key[0] === 0x70 && key[1] === 0x2f;
}
