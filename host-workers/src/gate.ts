// Who may run: an isolate has 128 MB, and all objects in it share them. Knows no request's content.
//
// Only the instance that runs can grow, and to MEMORY_MAX at most. So one may run if what all
// others hold now leaves room for that: hundreds of small requests at once, or two that need all
// they can get. Whoever ran last may always run again, so nothing waits for ever.

import { MEMORY_MAX } from "./engine";

// What all instances together may hold; JavaScript's own bytes come on top.
const BUDGET = 80 << 20;
// More than so many that wait are sent away, and those that wait to start for so many milliseconds.
const CROWD_MAX = 64;
const PATIENCE = 120_000;
// A client that takes nothing for so long may be cut off, if others wait for its memory.
const IDLE_MAX = 30_000;
// Whoever waits for so long looks for such clients: most of what is in the way goes by itself.
const HASTE = 1_000;
// What has run for so long belongs to an object that was ended in the middle, and cannot say so.
const LOST = 600_000;
const POLL = 5;

// Who holds an instance.
export interface Holder {
  // Bytes of linear memory, and of what was read ahead for it.
  readonly size: number;
  // Lets the instance go at once; whoever needs it next hears so.
  drop(): void;
}

// One instance's place.
export class Lease {
  isRunning = false;
  // For room: it is not its client that keeps it.
  isWaiting = false;
  touched = Date.now();
  constructor(
    private readonly gate: Gate,
    readonly owner: string,
    readonly holder: Holder,
    // Of a host's own.
    readonly isApart = false,
  ) {}

  // Waits for room, works, and gives back what it did not take.
  async run<T>(work: () => Promise<T>): Promise<T> {
    await this.gate.room(this);
    this.touched = Date.now();
    try {
      return await work();
    } finally {
      this.gate.held();
      this.isRunning = false;
      this.touched = Date.now();
    }
  }

  end(): void {
    this.gate.leave(this);
  }
}

export class Gate {
  private readonly leases = new Set<Lease>();
  peak = 0;

  constructor(
    private readonly idleMax = IDLE_MAX,
    private readonly lostMax = LOST,
  ) {}

  enter(owner: string, holder: Holder): Lease {
    if (this.waiting >= CROWD_MAX) this.cutIdle();
    if (this.waiting >= CROWD_MAX) throw new Crowded();
    const lease = new Lease(this, owner, holder);
    this.leases.add(lease);
    return lease;
  }

  // Does work of a host's own that holds some MiB, in the place of an instance: one at a time of all
  // objects, so that requests have theirs.
  async apart<T>(owner: string, work: () => Promise<T>): Promise<T> {
    const holder = { size: 0, drop: () => undefined };
    const lease = new Lease(this, owner, holder, true);
    this.leases.add(lease);
    try {
      return await lease.run(() => {
        holder.size = MEMORY_MAX;
        return work();
      });
    } finally {
      lease.end();
    }
  }

  leave(lease: Lease): void {
    this.leases.delete(lease);
  }

  // An object begins: what it held before it was evicted is gone.
  forget(owner: string): void {
    for (const lease of this.leases) {
      if (lease.owner !== owner) continue;
      lease.holder.drop();
      this.leave(lease);
    }
  }

  count(owner: string): number {
    return [...this.leases].filter((lease) => lease.owner === owner).length;
  }

  // Bytes that all instances hold, and at most have held.
  held(): number {
    let bytes = 0;
    for (const lease of this.leases) bytes += lease.holder.size;
    this.peak = Math.max(this.peak, bytes);
    return bytes;
  }

  // Waits until there is room, and takes it. By looking again and again: a promise of one object's
  // must not wake another's.
  async room(lease: Lease): Promise<void> {
    if (this.mayRun(lease)) {
      lease.isRunning = true;
      return;
    }
    lease.isWaiting = true;
    const begun = Date.now();
    try {
      do {
        lease.touched = Date.now();
        await scheduler.wait(POLL);
        if (Date.now() - begun > Math.min(HASTE, this.idleMax)) this.cutIdle();
        if (lease.holder.size === 0 && Date.now() - begun > PATIENCE) throw new Crowded();
      } while (!this.mayRun(lease));
      lease.isRunning = true;
    } finally {
      lease.isWaiting = false;
    }
  }

  // Requests that do. Counted anew each time: an object that is ended while it waits does not say so.
  private get waiting(): number {
    let count = 0;
    for (const lease of this.leases) if (lease.isWaiting && !lease.isApart) count += 1;
    return count;
  }

  private mayRun(lease: Lease): boolean {
    let bytes = MEMORY_MAX;
    for (const other of this.leases) {
      if (other === lease) continue;
      if (other.isRunning && other.isApart && lease.isApart) return false;
      bytes += other.isRunning ? MEMORY_MAX : other.holder.size;
    }
    this.held();
    return bytes <= BUDGET;
  }

  // Who waits says so at each look; who has stopped looking was ended.
  private cutIdle(): void {
    const now = Date.now();
    for (const lease of this.leases) {
      const most = lease.isRunning ? this.lostMax : this.idleMax;
      const isIdle = lease.touched < now - most;
      if (isIdle && (lease.isWaiting || lease.holder.size > 0)) {
        lease.holder.drop();
        this.leave(lease);
      }
    }
  }
}

export class Crowded extends Error {
  readonly status = 503;

  constructor(text = "too many requests at once: try again later") {
    super(text);
  }
}
