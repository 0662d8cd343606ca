// What wrangler.jsonc binds, by type.

import type { Meter } from "./metrics";
import type { Repository } from "./repo";

export interface Env {
  readonly REPOSITORY: DurableObjectNamespace<Repository>;
  readonly METER: DurableObjectNamespace<Meter>;
  readonly TOKENS: KVNamespace;
  // The slow tier and the snapshots; without it everything stays in SQLite.
  readonly BUCKET?: R2Bucket;
  readonly EVENTS?: AnalyticsEngineDataset;
  // A secret: who has it may do everything.
  readonly ADMIN_TOKEN?: string;
  // "1": everybody may do everything. For this machine only.
  readonly OPEN?: string;
  // Bytes of one request's body that the plan's edge lets through; 0: no limit.
  readonly BODY_MAX?: string;
  // Bytes of one object's SQLite.
  readonly SIZE_MAX?: string;
  // Days that a row lies unread before it moves to the slow tier.
  readonly TIER_DAYS?: string;
  // Hours between two snapshots of a repository that changes; 0: only on demand.
  readonly SNAPSHOT_HOURS?: string;
  // Days after which all rows of a repository are read again; 0: never.
  readonly SCRUB_DAYS?: string;
}

// A setting that is a number.
export function number(text: string | undefined, otherwise: number): number {
  const value = Number(text ?? otherwise);
  return Number.isFinite(value) && value >= 0 ? value : otherwise;
}
