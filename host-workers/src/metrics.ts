// Counts of requests, by repository and by namespace: one object keeps them, repositories send
// theirs a batch at a time. Knows no request's content.

import { DurableObject } from "cloudflare:workers";
import type { Env } from "./env";
import { namespaceOf } from "./names";

// Upper bounds of the latency histogram, in seconds.
const BUCKETS = [0.005, 0.02, 0.1, 0.5, 2, 10, 60];

// Milliseconds that counts wait in memory.
const DELAY = 10_000;

const NAMES = {
  requests: "Requests answered",
  refusals: "Requests answered with a status of 400 to 499",
  errors: "Requests answered with a status of 500 or more, or cut",
  bytes_in: "Bytes of request bodies",
  bytes_out: "Bytes of answers",
  rows_read: "Rows read",
  rows_written: "Rows written",
  pumps: "Calls of the engine",
  cpu_seconds: "Seconds in the engine, as far as the platform's clock shows them",
  seconds: "Seconds from the first byte of a request to the last of its answer",
} as const;

export type Counter = keyof typeof NAMES;
export type Counts = { [name in Counter]: number } & { latency: number[] };

export function none(): Counts {
  const counts = Object.fromEntries(Object.keys(NAMES).map((name) => [name, 0]));
  return { ...counts, latency: BUCKETS.map(() => 0) } as Counts;
}

export function add(to: Counts, from: Counts): void {
  for (const name of Object.keys(NAMES) as Counter[]) to[name] += from[name];
  for (const [at, count] of from.latency.entries()) to.latency[at] = (to.latency[at] ?? 0) + count;
}

// Counts one request that took so many seconds.
export function count(to: Counts, status: number, seconds: number): void {
  to.requests += 1;
  if (status >= 500) to.errors += 1;
  else if (status >= 400) to.refusals += 1;
  to.seconds += seconds;
  for (const [at, bound] of BUCKETS.entries()) {
    if (seconds <= bound) to.latency[at] = (to.latency[at] ?? 0) + 1;
  }
}

export function meter(env: Env): DurableObjectStub<Meter> {
  return env.METER.getByName("all");
}

export class Meter extends DurableObject<Env> {
  private readonly pending = new Map<string, Counts>();
  private isWaiting = false;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    const columns = "name TEXT PRIMARY KEY, value TEXT NOT NULL";
    ctx.storage.sql.exec(`CREATE TABLE IF NOT EXISTS counts (${columns}) WITHOUT ROWID`);
  }

  // Written a while later, many together: counting is to cost less than what is counted. An object
  // that ends before has lost them.
  add(repository: string, counts: Counts): void {
    for (const name of [repository, namespaceOf(repository)]) {
      const sum = this.pending.get(name) ?? none();
      add(sum, counts);
      this.pending.set(name, sum);
    }
    if (this.isWaiting) return;
    this.isWaiting = true;
    this.ctx.waitUntil(scheduler.wait(DELAY).then(() => this.write()));
  }

  private write(): void {
    this.isWaiting = false;
    for (const [name, counts] of this.pending) {
      const sum = this.read(name) ?? none();
      add(sum, counts);
      const sql = "INSERT OR REPLACE INTO counts VALUES (?, ?)";
      this.ctx.storage.sql.exec(sql, name, JSON.stringify(sum));
      this.pending.delete(name);
    }
  }

  // As Prometheus reads it: of all namespaces, or of one repository.
  text(repository: string | null): string {
    this.write();
    if (repository !== null) {
      return text([[`repository="${escape(repository)}"`, this.read(repository) ?? none()]]);
    }
    const sql = "SELECT name, value FROM counts WHERE instr(name, '/') = 0";
    const rows = this.ctx.storage.sql.exec<{ name: string; value: string }>(sql).toArray();
    return text(rows.map(({ name, value }) => [`namespace="${escape(name)}"`, JSON.parse(value)]));
  }

  private read(name: string): Counts | undefined {
    const sql = "SELECT value FROM counts WHERE name = ?";
    const row = this.ctx.storage.sql.exec<{ value: string }>(sql, name).toArray()[0];
    return row && JSON.parse(row.value);
  }
}

type Series = readonly (readonly [label: string, counts: Counts])[];

function text(series: Series): string {
  const lines: string[] = [];
  for (const name of Object.keys(NAMES) as Counter[]) {
    if (name === "seconds") continue;
    const full = `gitcell_${name}_total`;
    lines.push(`# HELP ${full} ${NAMES[name]}`, `# TYPE ${full} counter`);
    for (const [label, counts] of series) lines.push(`${full}{${label}} ${counts[name]}`);
  }
  lines.push(`# HELP gitcell_request_seconds ${NAMES.seconds}`);
  lines.push("# TYPE gitcell_request_seconds histogram");
  for (const [label, counts] of series) lines.push(...histogram(label, counts));
  return `${lines.join("\n")}\n`;
}

function histogram(label: string, counts: Counts): string[] {
  const name = "gitcell_request_seconds";
  return [
    ...BUCKETS.map((le, at) => `${name}_bucket{${label},le="${le}"} ${counts.latency[at] ?? 0}`),
    `${name}_bucket{${label},le="+Inf"} ${counts.requests}`,
    `${name}_sum{${label}} ${counts.seconds}`,
    `${name}_count{${label}} ${counts.requests}`,
  ];
}

function escape(label: string): string {
  return label.replace(/[\\"\n]/g, (char) => (char === "\n" ? "\\n" : `\\${char}`));
}
