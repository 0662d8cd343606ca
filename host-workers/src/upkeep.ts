// What a repository's object does when nobody asks: the engine's maintenance, snapshots, and cold
// rows that move to R2; by alarms, a bounded step at a time. Knows no Git.

import { type Env, number } from "./env";
import { Fault } from "./fault";
import * as snapshot from "./snapshot";
import type { Rows } from "./storage";
import type { Tier } from "./tier";

// SQLite's share of the 10 GB that an object may hold; the rest is for its log and for upkeep.
export const SIZE_MAX = 9e9;
const TIER_DAYS = 14;
const SCRUB_DAYS = 30;
const SOON = 1_000;
const HOUR = 3_600_000;
const DAY = 24 * HOUR;

// What upkeep needs of the object that it is for.
export interface Place {
  readonly storage: DurableObjectStorage;
  readonly env: Env;
  readonly rows: Rows;
  readonly tier: Tier | undefined;
  // The engine's own maintenance, as a request.
  readonly maintain: () => Promise<unknown>;
  // What the engine says of all rows: `ok` in the end, or what is damaged.
  readonly scrub: () => Promise<string>;
  // Whether no request runs that could not wait for a cold row.
  readonly isQuiet: () => boolean;
  readonly apart: snapshot.Apart;
}

// Notes in the rows say what is due, since no memory outlives an eviction: `changed` since the
// engine's maintenance, `unsaved` since the last `snapshot` (a time), when one that is not done was
// last `tried`, `strays` of a snapshot that was begun may lie in R2, the repository's `name`, and when
// its rows were last `scrubbed`.
export class Upkeep {
  // Not known before it is looked at.
  private hasAlarm: boolean | undefined;
  private isChanged = false;
  private isUnsaved = false;
  private taking: Promise<string> | undefined;

  constructor(private readonly place: Place) {}

  // Before a request that may change rows: so its commit and the alarm are one write.
  async look(): Promise<void> {
    this.hasAlarm ??= (await told(this.place.storage.getAlarm())) !== null;
  }

  // A commit changes rows. What is due then is noted by the same commit.
  changed(name: string): void {
    this.isChanged = true;
    this.isUnsaved = true;
    this.place.rows.setNotes({ changed: "1", unsaved: "1", name });
    // Behind the commit, and written with it all the same. What fails is done again at the end of the
    // request.
    if (this.hasAlarm === false) queueMicrotask(() => void this.arm().catch(() => undefined));
  }

  // Sees to it that there is an alarm.
  async arm(): Promise<void> {
    if (this.hasAlarm === undefined) await this.look();
    if (this.hasAlarm) return;
    this.hasAlarm = true;
    try {
      await told(this.place.storage.setAlarm(Date.now() + HOUR));
    } catch (error) {
      this.hasAlarm = undefined;
      throw error;
    }
  }

  // Whether something is due, and no alarm will see to it: the platform gives one up that ended badly
  // too often.
  get isForgotten(): boolean {
    if (this.hasAlarm !== false) return false;
    return this.place.rows.note("changed") !== undefined || this.snapshotAt < Infinity;
  }

  // Does what is due and sets the next alarm. What fails is tried again with the next one. `retries`:
  // how often this one has ended badly. What may have ended it (by its CPU time, its memory) is then left
  // for another day, so that the rest is done; a snapshot and the scrub note when they begin.
  async alarm(retries = 0): Promise<void> {
    const { rows, storage } = this.place;
    if (rows.isEmpty || rows.note("restoring")) return await this.sweep();
    // Who is ended in the middle is asked again by the platform.
    this.hasAlarm = true;
    if (retries === 0) await attempt("maintenance", () => this.maintain());
    if (this.snapshotAt <= Date.now()) await attempt("snapshot", () => this.snapshot());
    if (rows.note("strays") && !this.taking) await attempt("clearing up", () => this.clear());
    await attempt("the scrub", () => this.scrub());
    const moved = retries < 2 && (await attempt("the slow tier", () => this.cool()));
    const next = moved ? Date.now() + SOON : this.next();
    this.hasAlarm = undefined;
    if (Number.isFinite(next)) await storage.setAlarm(next);
    this.hasAlarm = Number.isFinite(next);
  }

  // Takes a snapshot into R2 and gives its name. One at a time.
  snapshot(): Promise<string> {
    this.taking ??= this.take().finally(() => {
      this.taking = undefined;
    });
    return this.taking;
  }

  // Moves immutable rows to R2 that nobody has read for a while; true if there may be more.
  async cool(days = number(this.place.env.TIER_DAYS, TIER_DAYS)): Promise<boolean> {
    const { rows, tier } = this.place;
    if (!tier || rows.isEmpty) return false;
    // What is left of a step that is cut short goes with a later one.
    await this.arm();
    return await tier.step(Math.floor(Date.now() / 1000), this.isFull ? 0 : days, this.place);
  }

  // Moves rows to R2 until there is room for more, as far as that can be had.
  async makeRoom(): Promise<void> {
    while (this.isFull && (await this.cool()));
  }

  private get isFull(): boolean {
    const { env, rows } = this.place;
    return rows.bytes > 0.8 * number(env.SIZE_MAX, SIZE_MAX);
  }

  // There is no repository: what a restore has moved that failed.
  private async sweep(): Promise<void> {
    const { rows, storage, tier } = this.place;
    if (rows.isEmpty && tier?.hasStrays) await attempt("the slow tier", () => tier.sweep());
    this.hasAlarm = tier?.hasStrays ?? false;
    if (this.hasAlarm) await storage.setAlarm(Date.now() + HOUR);
  }

  private async take(): Promise<string> {
    const { env, rows, tier, apart } = this.place;
    if (!env.BUCKET || !tier) throw new Error("there is no R2 bucket bound");
    const repository = rows.note("name");
    if (!repository) throw new Error("there is no such repository");
    const { BUCKET } = env;
    // What is left of one that is cut short goes with a later alarm.
    await this.arm();
    const begun = Date.now();
    rows.setNotes({ strays: "1", tried: String(begun) });
    this.isUnsaved = false;
    const name = await snapshot.take(rows, tier, BUCKET, repository, apart);
    const done = { snapshot: String(begun), tried: undefined };
    rows.setNotes({ ...done, ...(!this.isUnsaved && { unsaved: undefined }) });
    await attempt("clearing up", () => this.clear());
    return name;
  }

  // Drops old snapshots, and what is left of those that were never finished.
  private async clear(): Promise<void> {
    const { env, rows } = this.place;
    const repository = rows.note("name");
    if (!env.BUCKET || !repository) return;
    if (await snapshot.prune(env.BUCKET, repository)) rows.setNotes({ strays: undefined });
  }

  private async maintain(): Promise<void> {
    const { rows, maintain } = this.place;
    if (!rows.note("changed")) return;
    this.isChanged = false;
    await maintain();
    if (!this.isChanged) rows.setNotes({ changed: undefined });
  }

  // Reads all rows now and then, when there is an alarm anyway; what is damaged stands in the log.
  private async scrub(): Promise<void> {
    const { env, rows, scrub } = this.place;
    const days = number(env.SCRUB_DAYS, SCRUB_DAYS);
    const [now, last] = [Date.now(), rows.note("scrubbed")];
    if (days === 0 || last === undefined || past(last) + days * DAY > now) {
      if (last === undefined) rows.setNotes({ scrubbed: String(now) });
      return;
    }
    rows.setNotes({ scrubbed: String(now) });
    const text = await scrub();
    if (text !== "ok\n") throw new Error(`${rows.note("name")} is damaged:\n${text}`);
  }

  // When the next snapshot by schedule is due.
  private get snapshotAt(): number {
    const { env, rows } = this.place;
    const hours = number(env.SNAPSHOT_HOURS, 0);
    if (!env.BUCKET || hours === 0 || !rows.note("unsaved")) return Infinity;
    const [last, tried] = [rows.note("snapshot"), rows.note("tried")];
    return Math.max(past(last) + hours * HOUR, past(tried) + HOUR);
  }

  // When there is something to do next; never, if all is done and cold.
  private next(): number {
    const { rows, tier } = this.place;
    const now = Date.now();
    const times = [this.snapshotAt];
    if (rows.note("changed") || rows.note("strays") || tier?.hasStrays) times.push(now + HOUR);
    if (tier?.hasWarm) times.push(now + DAY);
    return Math.max(Math.min(...times), now + 60 * SOON);
  }
}

// A time that was noted. One that is yet to come is a clock's mistake: nothing waits for it.
function past(note: string | undefined): number {
  const time = Number(note ?? 0);
  return time <= Date.now() ? time : 0;
}

// The platform's own calls fail as storage does.
async function told<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw new Fault(error);
  }
}

async function attempt<T>(what: string, work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    console.error(`${what} failed:`, error);
    return undefined;
  }
}
