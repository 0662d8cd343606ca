// What each request cost: an event of it at once, and counts in batches. Knows no request's
// content.

import type { Env } from "./env";
import { add, count, meter, none } from "./metrics";
import type { Call } from "./repo";

const DELAY = 1_000;
// Bounds of Analytics Engine: bytes of an index, and well under those of all blobs.
const INDEX_MAX = 96;
const PATH_MAX = 1_000;

// One request that is over; what is missing is nothing.
export interface Outcome {
  readonly status: number;
  // Seconds.
  readonly time: number;
  readonly rowsRead: number;
  readonly rowsWritten: number;
  readonly bytesIn?: number;
  readonly bytesOut?: number;
  readonly pumps?: number;
  // Milliseconds in the engine.
  readonly cpu?: number;
}

export class Report {
  private counts = none();
  private isWaiting = false;

  constructor(
    private readonly env: Env,
    // Keeps the object alive until the work is done.
    private readonly waitUntil: (work: Promise<void>) => void,
  ) {}

  add(call: Call, outcome: Outcome): void {
    const { status, time, rowsRead, rowsWritten } = outcome;
    const { bytesIn = 0, bytesOut = 0, pumps = 0, cpu = 0 } = outcome;
    const { counts } = this;
    count(counts, status, time);
    counts.bytes_in += bytesIn;
    counts.bytes_out += bytesOut;
    counts.pumps += pumps;
    counts.cpu_seconds += cpu / 1000;
    counts.rows_read += rowsRead;
    counts.rows_written += rowsWritten;
    this.event(call, [status, time, bytesIn, bytesOut, rowsRead, rowsWritten, pumps, cpu / 1000]);
    if (this.isWaiting) return;
    this.isWaiting = true;
    this.waitUntil(this.send(call.repository));
  }

  // One that is not taken costs no request anything.
  private event(call: Call, doubles: number[]): void {
    try {
      this.env.EVENTS?.writeDataPoint({
        indexes: [call.repository.slice(0, INDEX_MAX)],
        blobs: [call.inside.slice(0, PATH_MAX), call.id, call.caller],
        doubles,
      });
    } catch (error) {
      console.error(`${call.id}: an event was not taken:`, error);
    }
  }

  // A batch a second at most: counting costs less than what is counted.
  private async send(repository: string): Promise<void> {
    await scheduler.wait(DELAY);
    const { counts } = this;
    this.counts = none();
    this.isWaiting = false;
    try {
      await meter(this.env).add(repository, counts);
    } catch {
      add(this.counts, counts);
    }
  }
}
