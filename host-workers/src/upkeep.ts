// What a repository's object does when nobody asks: the engine's maintenance, snapshots, and cold
// rows that move to R2; by alarms, a bounded step at a time. Knows no Git.

import { type Env, number } from "./env";
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
}

// Notes in the rows say what is due, since no memory outlives an eviction: `changed` since the
// engine's maintenance, `unsaved` since the last `snapshot` (a time), the repository's `name`, and
// when its rows were last `scrubbed`.
export class Upkeep {
  private hasAlarm = false;
  private isChanged = false;
  private taking: Promise<string> | undefined;

  constructor(private readonly place: Place) {}

  // A request has changed rows.
  async changed(name: string): Promise<void> {
    const { rows, storage } = this.place;
    this.isChanged = true;
    rows.setNotes({ changed: "1", unsaved: "1", name });
    if (this.hasAlarm) return;
    if ((await storage.getAlarm()) === null) await storage.setAlarm(Date.now() + HOUR);
    this.hasAlarm = true;
  }

  // Does what is due and sets the next alarm. What fails is tried again with the next one.
  async alarm(): Promise<void> {
    const { rows, storage } = this.place;
    this.hasAlarm = false;
    if (rows.isEmpty || rows.note("restoring")) return;
    await attempt("maintenance", () => this.maintain());
    if (this.snapshotAt <= Date.now()) await attempt("snapshot", () => this.snapshot());
    await attempt("the scrub", () => this.scrub());
    const moved = await attempt("the slow tier", () => this.cool());
    const next = moved ? Date.now() + SOON : this.next();
    if (!Number.isFinite(next)) return;
    await storage.setAlarm(next);
    this.hasAlarm = true;
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
    const { env, rows, tier, isQuiet } = this.place;
    if (!tier) return false;
    const isFull = rows.bytes > 0.8 * number(env.SIZE_MAX, SIZE_MAX);
    return await tier.step(Math.floor(Date.now() / 1000), isFull ? 0 : days, isQuiet);
  }

  private async take(): Promise<string> {
    const { env, rows, tier } = this.place;
    if (!env.BUCKET || !tier) throw new Error("there is no R2 bucket bound");
    const repository = rows.note("name");
    if (!repository) throw new Error("there is no such repository");
    rows.setNotes({ unsaved: undefined, snapshot: String(Date.now()) });
    try {
      return await snapshot.take(rows, tier, env.BUCKET, repository);
    } catch (error) {
      rows.setNotes({ unsaved: "1", snapshot: undefined });
      throw error;
    }
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
    if (days === 0 || Number(last ?? now) + days * DAY > now) {
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
    return Number(rows.note("snapshot") ?? 0) + hours * HOUR;
  }

  // When there is something to do next; never, if all is done and cold.
  private next(): number {
    const { rows, tier } = this.place;
    const now = Date.now();
    const times = [this.snapshotAt];
    if (rows.note("changed")) times.push(now + HOUR);
    if (tier?.hasWarm) times.push(now + DAY);
    return Math.max(Math.min(...times), now + 60 * SOON);
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
