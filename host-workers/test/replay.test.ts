// Requests that were recorded with the engine's own tests, of the fuzz corpus and of hostile peers, run
// through the module in workerd, on rows of a Durable Object: the same answers, the same rows.

import { env, runInDurableObject } from "cloudflare:test";
import { expect, inject, it } from "vitest";
import module from "../../dist/engine.wasm";
import { type Ask, type Bytes, Engine, Progress } from "../src/engine";
import { type Rows, concat, equal } from "../src/storage";
import { Reader } from "../src/tier";
import { create } from "./git";

const FEED_MAX = 128 << 10;
const NONE = new Uint8Array(0);

interface Row {
  readonly key: Bytes;
  readonly value: Bytes;
}

interface Recorded {
  readonly before: readonly Row[];
  readonly ask: Ask;
  readonly body: readonly Bytes[];
  readonly answer: Bytes;
  readonly after: readonly Row[];
}

// Reads a record as `engine/tests/all/record.rs` writes it.
class Reading {
  private at = 0;
  private readonly view: DataView;

  constructor(private readonly bytes: Bytes) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  number(): number {
    this.at += 4;
    return this.view.getUint32(this.at - 4, true);
  }

  large(): number {
    this.at += 8;
    return Number(this.view.getBigUint64(this.at - 8, true));
  }

  flag(): boolean {
    this.at += 1;
    return this.bytes[this.at - 1] !== 0;
  }

  piece(): Bytes {
    const size = this.number();
    this.at += size;
    return this.bytes.slice(this.at - size, this.at);
  }

  text(): string {
    return new TextDecoder("utf-8", { fatal: false, ignoreBOM: true }).decode(this.piece());
  }

  many<T>(one: () => T): T[] {
    return Array.from({ length: this.number() }, one);
  }

  rows(): Row[] {
    return this.many(() => ({ key: this.piece(), value: this.piece() }));
  }

  all(): Recorded {
    const before = this.rows();
    const [method, path, query, id, caller] = Array.from({ length: 5 }, () => this.text());
    const [time, sizeMax] = [this.large(), this.large()];
    const flags = [this.flag(), this.flag(), this.flag()];
    const access = flags.reduce((all, flag, bit) => all | (Number(flag) << bit), 0);
    const headers = this.many(() => [this.text(), this.text()] as const);
    const ask = { method, path, query, headers, time, id, caller, access, sizeMax } as Ask;
    const body = this.many(() => this.piece());
    return { before, ask, body, answer: this.piece(), after: this.rows() };
  }
}

async function answer(rows: Rows, { ask, body }: Recorded): Promise<Bytes> {
  const reader = new Reader(rows, undefined, true);
  const out: Bytes[] = [];
  const engine = new Engine(
    module,
    {
      get: (key) => reader.get(key),
      scan: (prefix, after, bytesMax) => reader.scan(prefix, after, bytesMax),
      commit: (expects, writes) => reader.commit(expects, writes),
      emit: (bytes) => void out.push(bytes),
    },
    false,
  );
  let progress = await engine.start(ask);
  const pieces = body.flatMap((piece) => {
    const count = Math.max(1, Math.ceil(piece.length / FEED_MAX));
    return Array.from({ length: count }, (_, at) => piece.subarray(at * FEED_MAX, (at + 1) * FEED_MAX));
  });
  for (const piece of pieces) {
    while (progress === Progress.Busy) progress = await engine.pump();
    if (progress === Progress.Hungry) progress = await engine.feed(piece);
  }
  while (progress !== Progress.Done) progress = await engine.pump();
  reader.release();
  return concat(out);
}

// Whether it was answered so, and left such rows.
async function isSame(rows: Rows, record: Recorded): Promise<boolean> {
  rows.clear();
  rows.commit([], record.before);
  if (!equal(await answer(rows, record), record.answer)) return false;
  const left = rows.scan(NONE, NONE, Number.MAX_SAFE_INTEGER);
  return (
    left.length === record.after.length &&
    left.every(({ key, held }, at) => {
      const row = record.after[at];
      return row && "bytes" in held && equal(key, row.key) && equal(held.bytes, row.value);
    })
  );
}

const names = inject("records");

// `make test` records them first: engine/build/replay.sh.
it.skipIf(names.length === 0)("recorded requests are answered as natively", { timeout: 900_000 }, async () => {
  await create("t/replay");
  const other = await runInDurableObject(
    env.REPOSITORY.getByName("t/replay"),
    async (object, state) => {
      // Nobody else is to change these rows.
      await state.storage.deleteAlarm();
      const { rows } = object as unknown as { rows: Rows };
      const other: string[] = [];
      for (const name of names) {
        const found = await fetch(`${inject("judge")}/${name}`);
        const record = new Reading(new Uint8Array(await found.arrayBuffer())).all();
        if (!(await isSame(rows, record))) other.push(`${name}: ${record.ask.method} ${record.ask.path}`);
      }
      return other;
    },
  );
  expect(other, "recorded before the engine was changed? engine/build/replay.sh").toEqual([]);
  console.log(`replay: ${names.length} requests`);
});
