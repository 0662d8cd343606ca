// The border of abi.wit, lowered by hand as the canonical ABI has it: the only file that sees
// linear memory. Knows no row, no HTTP and no Git. A view of the memory is never kept across a
// call: memory moves when it grows.

export type Bytes = Uint8Array<ArrayBuffer>;
type Maybe<T> = T | Promise<T>;

// `record row`.
export interface Row {
  readonly key: Bytes;
  readonly value: Bytes;
}

// `record expect` and `record write`; no value: absent, or deleted.
export interface Change {
  readonly key: Bytes;
  readonly value: Bytes | undefined;
}

// `interface host`. A host that answers by promises suspends the instance. A value of more than
// LENT_MIN bytes that is to be written is a view of the instance's memory, good until the host answers:
// copies of large rows would be most of a push's garbage.
export interface Host {
  get(key: Bytes): Maybe<Bytes | undefined>;
  scan(prefix: Bytes, after: Bytes, bytesMax: number): Maybe<readonly Row[]>;
  commit(expects: readonly Change[], writes: readonly Change[]): Maybe<boolean>;
  emit(bytes: Bytes): void;
}

// `enum progress`.
export enum Progress {
  Hungry = 0,
  Busy = 1,
  Done = 2,
}

// `flags access`.
export const READ = 1;
export const WRITE = 2;
export const ADMIN = 4;

// `record request`.
export interface Ask {
  readonly method: string;
  readonly path: string;
  readonly query: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly time: number;
  readonly id: string;
  readonly caller: string;
  readonly access: number;
  readonly sizeMax: number;
}

// Linear memory that the module declares as its maximum.
export const MEMORY_MAX = 32 << 20;
export const LENT_MIN = 64 << 10;
const ROW_SIZE = 16;
const CHANGE_SIZE = 20;

interface Exports {
  readonly memory: WebAssembly.Memory;
  cabi_realloc(old: number, oldSize: number, align: number, size: number): number;
  start(...flat: (number | bigint)[]): Maybe<number>;
  feed(first: number, size: number): Maybe<number>;
  pump(): Maybe<number>;
}

// One instance, for one request. A call that throws has ended it: nothing may be called again.
export class Engine {
  private readonly exports: Exports;

  // `suspends`: the host may answer by promises, and so do the calls of this class.
  constructor(module: WebAssembly.Module, host: Host, suspends: boolean) {
    const border = new Border(host, () => this.exports);
    const call = (f: (...flat: number[]) => Maybe<number | void>) =>
      suspends ? new WebAssembly.Suspending(f) : atOnce(f);
    const instance = new WebAssembly.Instance(module, {
      "gitcell:engine/host@0.1.0": {
        get: call(border.get),
        scan: call(border.scan),
        commit: call(border.commit),
        emit: border.emit,
      },
    } as unknown as WebAssembly.Imports);
    const exports = instance.exports as unknown as Exports;
    this.exports = suspends ? promising(exports) : exports;
  }

  // Bytes of linear memory, which only grows.
  get size(): number {
    return this.exports.memory.buffer.byteLength;
  }

  async start(ask: Ask): Promise<Progress> {
    const text = (value: string) => lower(this.exports, utf8.encode(value));
    const headers = ask.headers.map(([name, value]) => [...text(name), ...text(value)]);
    const [list, count] = lowerRecords(this.exports, headers, ROW_SIZE);
    return await this.exports.start(
      ...text(ask.method),
      ...text(ask.path),
      ...text(ask.query),
      list,
      count,
      BigInt(ask.time),
      ...text(ask.id),
      ...text(ask.caller),
      ask.access,
      BigInt(ask.sizeMax),
    );
  }

  // The next bytes of the body. Only for a hungry engine.
  async feed(bytes: Uint8Array): Promise<Progress> {
    return await this.exports.feed(...lower(this.exports, bytes));
  }

  // One bounded piece of work; for a hungry engine: the body has ended.
  async pump(): Promise<Progress> {
    return await this.exports.pump();
  }
}

const utf8 = new TextEncoder();

// Of a promise the instance would see an answer that nobody has written.
function atOnce(f: (...flat: number[]) => Maybe<number | void>) {
  return (...flat: number[]): number | void => {
    const answer = f(...flat);
    if (answer instanceof Promise) throw new Error("this instance cannot wait for a row");
    return answer;
  };
}

function promising(exports: Exports): Exports {
  const { memory, cabi_realloc } = exports;
  const promise = (f: unknown) => WebAssembly.promising(f as (...flat: never[]) => number);
  return {
    memory,
    cabi_realloc,
    start: promise(exports.start),
    feed: promise(exports.feed),
    pump: promise(exports.pump),
  };
}

// The imports: flat numbers to values and back.
class Border {
  constructor(
    private readonly host: Host,
    private readonly exports: () => Exports,
  ) {}

  readonly get = (key: number, keySize: number, answer: number): Maybe<void> =>
    then(this.host.get(this.lift(key, keySize)), (value) => this.answerGet(answer, value));

  readonly scan = (
    prefix: number,
    prefixSize: number,
    after: number,
    afterSize: number,
    bytesMax: number,
    answer: number,
  ): Maybe<void> =>
    then(
      this.host.scan(this.lift(prefix, prefixSize), this.lift(after, afterSize), bytesMax >>> 0),
      (rows) => this.answerScan(answer, rows),
    );

  readonly commit = (
    expects: number,
    expectsCount: number,
    writes: number,
    writesCount: number,
  ): Maybe<number> =>
    then(
      this.host.commit(
        this.liftChanges(expects, expectsCount),
        this.liftChanges(writes, writesCount),
      ),
      Number,
    );

  readonly emit = (first: number, size: number): void => {
    if (size > 0) this.host.emit(this.lift(first, size));
  };

  private answerGet(answer: number, value: Bytes | undefined): void {
    const exports = this.exports();
    const [first, size] = value ? lower(exports, value) : [0, 0];
    const view = new DataView(exports.memory.buffer, answer, 12);
    view.setUint8(0, value ? 1 : 0);
    view.setUint32(4, first, true);
    view.setUint32(8, size, true);
  }

  private answerScan(answer: number, rows: readonly Row[]): void {
    const exports = this.exports();
    const flat = rows.map(({ key, value }) => [...lower(exports, key), ...lower(exports, value)]);
    const [first, count] = lowerRecords(exports, flat, ROW_SIZE);
    const view = new DataView(exports.memory.buffer, answer, 8);
    view.setUint32(0, first, true);
    view.setUint32(4, count, true);
  }

  // A copy, since the engine lends its bytes for this call only.
  private lift(first: number, size: number): Bytes {
    return this.lent(first, size).slice();
  }

  private lent(first: number, size: number): Bytes {
    return new Uint8Array(this.exports().memory.buffer as ArrayBuffer, first >>> 0, size >>> 0);
  }

  private liftChanges(first: number, count: number): Change[] {
    const view = new DataView(this.exports().memory.buffer, first >>> 0, count * CHANGE_SIZE);
    return Array.from({ length: count }, (_, index) => {
      const word = (at: number) => view.getUint32(index * CHANGE_SIZE + at, true);
      const isSome = view.getUint8(index * CHANGE_SIZE + 8) !== 0;
      const value = isSome ? this.lent(word(12), word(16)) : undefined;
      const isLent = value !== undefined && value.length > LENT_MIN;
      return { key: this.lift(word(0), word(4)), value: isLent ? value : value?.slice() };
    });
  }
}

// Goes on at once where the host has answered at once: then nothing is suspended.
function then<T, U>(value: Maybe<T>, next: (value: T) => U): Maybe<U> {
  return value instanceof Promise ? value.then(next) : next(value);
}

// Gives bytes to the engine: their address and size.
function lower(exports: Exports, bytes: Uint8Array): [first: number, size: number] {
  if (bytes.length === 0) return [1, 0];
  const first = exports.cabi_realloc(0, 0, 1, bytes.length) >>> 0;
  new Uint8Array(exports.memory.buffer, first, bytes.length).set(bytes);
  return [first, bytes.length];
}

// Gives a list of records to the engine, each of 32-bit words.
function lowerRecords(
  exports: Exports,
  records: readonly (readonly number[])[],
  recordSize: number,
): [first: number, count: number] {
  if (records.length === 0) return [4, 0];
  const first = exports.cabi_realloc(0, 0, 4, records.length * recordSize) >>> 0;
  const view = new Uint32Array(exports.memory.buffer, first, (records.length * recordSize) / 4);
  view.set(records.flat());
  return [first, records.length];
}
