// An empty object that is filled from a snapshot: with all of it, or nothing. While the note
// `restoring` stands its rows are no repository, and nobody is served.

import { Refused } from "./refusal";
import * as snapshot from "./snapshot";
import type { Rows } from "./storage";
import type { Tier } from "./tier";
import type { Upkeep } from "./upkeep";

export class Restore {
  private isRunning = false;

  constructor(
    private readonly rows: Rows,
    private readonly tier: Tier | undefined,
    private readonly upkeep: Upkeep,
    private readonly apart: snapshot.Apart,
  ) {}

  // Refuses what needs a repository, as long as this is none.
  check(): void {
    if (this.rows.note("restoring") === undefined) return;
    throw new Refused(
      503,
      this.isRunning
        ? "this repository is being restored from a snapshot: try again later"
        : "this repository's restoring was cut short: its operator is to restore it again",
    );
  }

  // Whoever is stopped in the middle leaves the note; who fails clears up.
  async run(bucket: R2Bucket, name: string, repository: string): Promise<void> {
    if (this.isRunning) throw new Refused(503, "this repository is being restored already");
    this.refuse();
    this.isRunning = true;
    try {
      await this.fill(bucket, name, repository);
    } catch (error) {
      this.undo();
      throw error;
    } finally {
      this.isRunning = false;
    }
  }

  // Where there is a repository nothing is restored.
  private refuse(): void {
    if (this.rows.note("restoring") !== undefined || this.rows.isEmpty) return;
    throw new Refused(409, "there is a repository already");
  }

  private async fill(bucket: R2Bucket, name: string, repository: string): Promise<void> {
    const manifest = await snapshot.read(bucket, name);
    // Somebody may have made one meanwhile; from here on the note keeps them out.
    this.refuse();
    this.rows.setNotes({ restoring: name });
    this.rows.clear();
    // What comes back was written today.
    this.tier?.grows();
    this.tier?.keep();
    // What has outgrown an object comes back to R2 while it comes.
    const makeRoom = () => this.upkeep.makeRoom();
    await snapshot.restore(this.rows, bucket, manifest, this.apart, makeRoom);
    await this.upkeep.arm();
    this.rows.setNotes({ restoring: undefined, name: repository, changed: "1", unsaved: "1" });
  }

  private undo(): void {
    if (this.rows.note("restoring") === undefined) return;
    try {
      this.rows.clear();
      // Whether the last write of all was done is not known.
      const none = { name: undefined, changed: undefined, unsaved: undefined };
      this.rows.setNotes({ restoring: undefined, ...none });
    } catch (error) {
      // Then the note stands.
      console.error("a restore that failed could not be undone:", error);
    }
  }
}
