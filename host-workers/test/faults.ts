// What everything below an object can do to it: one of its calls of storage or of R2 fails, or is
// the last, or R2 answers what was not stored. Counted, so that a test can have each of them.

import { env, runInDurableObject } from "cloudflare:test";

// Calls of storage and of R2: they fail before they are done, or after, unheard; or the object ends
// then. R2 alone: it gives fewer bytes, others, or none.
export const STORAGE = ["before", "after", "ended before", "ended after"] as const;
export const R2 = [...STORAGE, "short", "other", "none"] as const;
// Storage alone: there is no room.
export type Kind = (typeof R2)[number] | "full";

export interface Fault {
  readonly side: "storage" | "r2";
  // Which call of that side, from one on; it is over then.
  readonly call: number;
  readonly kind: Kind;
  calls: number;
  // What was called.
  name?: string;
  // Whether that call can fail so.
  isDone?: boolean;
}

type Work = () => unknown;

// Does what the real one does, but for one call.
function watch<T extends object>(target: T, call: (name: string, work: Work) => unknown): T {
  return new Proxy(target, {
    get: (_, key) => {
      const value: unknown = Reflect.get(target, key, target);
      const name = String(key);
      if (name === "sql") return watch(value as object, call);
      if (typeof value !== "function") return value;
      return (...words: unknown[]) => call(name, () => value.apply(target, words));
    },
  });
}

function caller(fault: Fault, state: DurableObjectState) {
  return (name: string, work: Work): unknown => {
    fault.calls += 1;
    if (fault.calls !== fault.call) return work();
    fault.name = name;
    const isAsync = fault.side === "r2" || ["sync", "getAlarm", "setAlarm"].includes(name);
    return isAsync ? later(fault, state, name, work) : now(fault, state, work);
  };
}

function now(fault: Fault, state: DurableObjectState, work: Work): unknown {
  // To the end: a statement that is half done is none.
  if (fault.kind.endsWith("after")) (work() as { toArray?(): unknown } | undefined)?.toArray?.();
  throw failure(fault, state);
}

async function later(fault: Fault, state: DurableObjectState, name: string, work: Work) {
  const other = ANSWERS[name]?.[fault.kind];
  if (fault.side === "r2" && other) {
    fault.isDone = true;
    return await other(work);
  }
  if (["short", "other", "none"].includes(fault.kind)) return await work();
  if (fault.kind.endsWith("after")) await work();
  throw failure(fault, state);
}

function failure(fault: Fault, state: DurableObjectState): Error {
  fault.isDone = true;
  if (fault.kind.startsWith("ended")) state.abort("ended");
  if (fault.side === "r2") return new Error("R2 failed (10001)");
  return new Error(fault.kind === "full" ? "database or disk is full: SQLITE_FULL" : "SQLITE_IOERR");
}

// What R2 may answer instead, by call.
const ANSWERS: Readonly<Record<string, Partial<Record<Kind, (work: Work) => Promise<unknown>>>>> = {
  get: {
    short: async (work) => body(await work(), (bytes) => bytes.slice(0, bytes.length >> 1)),
    other: async (work) => body(await work(), flipped),
    none: async () => null,
  },
  head: {
    short: async (work) => ({ ...((await work()) as R2Object | null), size: 1 }),
    other: async () => ({ size: 1, checksums: {} }),
    none: async () => null,
  },
  list: {
    short: async (work) => {
      const { objects, delimitedPrefixes } = (await work()) as R2Objects;
      const most = { objects: objects.slice(1), delimitedPrefixes: delimitedPrefixes.slice(1) };
      return { ...most, truncated: false };
    },
    none: async () => ({ objects: [], delimitedPrefixes: [], truncated: false }),
  },
  put: { none: async () => null },
};

async function body(stored: unknown, change: (bytes: Uint8Array) => Uint8Array): Promise<unknown> {
  if (!stored) return stored;
  const { checksums, size } = stored as R2ObjectBody;
  const bytes = change(new Uint8Array(await (stored as R2ObjectBody).arrayBuffer()));
  return {
    checksums,
    size,
    arrayBuffer: async () => bytes.slice().buffer,
    text: async () => new TextDecoder().decode(bytes),
  };
}

function flipped(bytes: Uint8Array): Uint8Array {
  const at = bytes.length >> 1;
  return bytes.map((byte, index) => (index === at ? byte ^ 1 : byte));
}

export function stubOf(repository: string) {
  return env.REPOSITORY.getByName(repository);
}

interface Parts {
  readonly rows: object;
  readonly tier: object;
  readonly upkeep: { readonly place: object };
}

// Puts a fault below an object, or nothing but what is its own.
export async function inject(repository: string, fault?: Fault): Promise<void> {
  await runInDurableObject(stubOf(repository), (object, state) => {
    const call = fault && caller(fault, state);
    const storage = fault?.side === "storage" && call ? watch(state.storage, call) : state.storage;
    const bucket = fault?.side === "r2" && call ? watch(env.BUCKET ?? {}, call) : env.BUCKET;
    const { rows, tier, upkeep } = object as unknown as Parts;
    Object.assign(rows, { storage });
    Object.assign(tier, { bucket });
    const around = { ...env, BUCKET: bucket, TIER_DAYS: "0" };
    Object.assign(upkeep.place, { storage, env: around });
    Object.assign(object, { env: around });
  });
}
