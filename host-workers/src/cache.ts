// Values that were read or written lately, of all objects of the isolate together: a request that
// asks for one again reads no row. Knows no SQL.
//
// One object alone writes its rows, so what it wrote is what its rows hold, until a transaction
// fails or the object begins anew.

import { type Bytes, LENT_MIN } from "./engine";

// A row in the object's SQLite: its value, and the number of its page if it lies in one.
export interface Warm {
  readonly bytes: Bytes;
  readonly page: number | undefined;
}

// Bytes of one value: the data of large packs are read once, and sent. What is lent is never kept.
export const KEPT_MAX = LENT_MIN;
// What a row costs beside its value.
const OVERHEAD = 200;

// What one object's rows held when they were last seen; the last used is the last here.
export class Cache {
  private readonly rows = new Map<string, Warm>();
  private isClosed = false;

  constructor(
    private readonly shelf: Shelf,
    readonly owner: string,
  ) {}

  get(key: string): Warm | undefined {
    const found = this.rows.get(key);
    if (!found) return undefined;
    this.rows.delete(key);
    this.rows.set(key, found);
    this.shelf.use(this);
    return found;
  }

  put(key: string, warm: Warm): void {
    this.drop(key);
    if (warm.bytes.length > KEPT_MAX || this.isClosed) return;
    this.rows.set(key, warm);
    this.shelf.use(this);
    this.shelf.add(size(key, warm));
  }

  drop(key: string): void {
    const found = this.rows.get(key);
    if (!found) return;
    this.rows.delete(key);
    this.shelf.add(-size(key, found));
  }

  clear(): void {
    for (const key of [...this.rows.keys()]) this.drop(key);
  }

  // Its object has begun anew elsewhere.
  close(): void {
    this.clear();
    this.isClosed = true;
  }

  // Lets go of what was not used for longest; false: there is nothing left.
  shrink(): boolean {
    for (const key of this.rows.keys()) {
      this.drop(key);
      return true;
    }
    return false;
  }
}

// The caches of an isolate that hold something; the object that was last used is the last here.
export class Shelf {
  private readonly caches = new Set<Cache>();
  bytes = 0;

  constructor(private readonly bytesMax: number) {}

  // An object begins: what was kept for the one before it under this name is gone.
  open(owner: string): Cache {
    for (const cache of this.caches) {
      if (cache.owner !== owner) continue;
      cache.close();
      this.caches.delete(cache);
    }
    return new Cache(this, owner);
  }

  use(cache: Cache): void {
    this.caches.delete(cache);
    this.caches.add(cache);
  }

  add(bytes: number): void {
    this.bytes += bytes;
    for (const cache of this.caches) {
      if (this.bytes <= this.bytesMax) return;
      while (this.bytes > this.bytesMax && cache.shrink());
      if (this.bytes > this.bytesMax) this.caches.delete(cache);
    }
  }
}

function size(key: string, { bytes }: Warm): number {
  return key.length + bytes.length + OVERHEAD;
}
