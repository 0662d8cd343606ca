// One request at work: its body goes into the engine as the engine asks for it, and the answer
// comes out as the client takes it. Knows no store and no Git.

import { type Ask, type Bytes, Engine, type Host, Progress } from "./engine";
import { Crowded, type Gate, type Holder, type Lease } from "./gate";
import { type Head, read } from "./head";
import { Refused } from "./refusal";
import { concat } from "./storage";

// What the engine is fed at once.
export const FEED_MAX = 128 << 10;
// Pumps without a word for the client after which others have their turn. To wait for more of the
// body gives them theirs, too.
const TURN_MAX = 4;
// What is read of a body that nobody needs any more, so that the client hears the answer.
const DRAIN_MAX = 2 ** 30;
const CUT = "cut off: its client did nothing for too long, and others waited";

export interface Tally {
  bytesIn: number;
  bytesOut: number;
  pumps: number;
  // Milliseconds in the engine, and in the rows that it asks for. Where Cloudflare runs it, the
  // clock stands still between I/O.
  cpu: number;
}

export interface Parts {
  readonly module: WebAssembly.Module;
  readonly host: Omit<Host, "emit"> & { release(): void; readonly size: number };
  readonly suspends: boolean;
  readonly ask: Ask;
  readonly body: ReadableStream<Uint8Array> | null;
  // The engine is given so many bytes of it, and then told that it has ended: it has the words for
  // that. 0: no limit.
  readonly bodyMax: number;
  // Resolves once all commits so far are durable.
  readonly sync: () => Promise<void>;
  readonly onEnd: () => void;
}

export class Exchange implements Holder {
  readonly tally: Tally = { bytesIn: 0, bytesOut: 0, pumps: 0, cpu: 0 };
  private engine: Engine | undefined;
  private progress = Progress.Busy;
  // From the first step on: who is sent away then has its body read all the same.
  private lease: Lease | undefined;
  private isDropped = false;
  private output: Bytes[] = [];
  private isDirty = false;
  private isEnded = false;
  hasCommitted = false;
  private readonly reader: Body | undefined;

  constructor(
    private readonly parts: Parts,
    private readonly gate: Gate,
    private readonly owner: string,
  ) {
    this.reader = parts.body ? new Body(parts.body, parts.bodyMax) : undefined;
  }

  // Bytes of linear memory, and of what was read ahead.
  get size(): number {
    return this.engine ? this.engine.size + this.parts.host.size : 0;
  }

  // Runs until the head is known; the rest comes by `next`.
  async head(): Promise<{ head: Head; rest: Bytes }> {
    let bytes: Bytes = new Uint8Array(0);
    for (;;) {
      const more = await this.next();
      if (!more) throw new Error("the engine gave no head");
      bytes = concat([bytes, more]);
      const found = read(bytes);
      if (found) return { head: found[0], rest: bytes.slice(found[1]) };
    }
  }

  // The next bytes of the answer; `undefined`: there are no more.
  async next(): Promise<Bytes | undefined> {
    for (let silent = 0; this.output.length === 0; ) {
      if (this.isDropped) throw new Crowded(CUT);
      if (this.engine && this.progress === Progress.Done) return undefined;
      silent = (await this.step()) ? 0 : silent + 1;
      if (silent > 0 && silent % TURN_MAX === 0) await scheduler.wait(0);
    }
    if (this.isDirty) {
      await this.parts.sync();
      this.isDirty = false;
    }
    const [only] = this.output;
    const bytes = only && this.output.length === 1 ? only : concat(this.output);
    this.output = [];
    this.tally.bytesOut += bytes.length;
    return bytes;
  }

  // A client that goes while a cold row is fetched leaves this reachable for good (workerd's streams
  // keep what waits): so all that is large is let go here.
  drop(): void {
    this.engine = undefined;
    this.isDropped = true;
    this.output = [];
    this.parts.host.release();
  }

  // Drops the instance, and what is left of the body.
  async end(): Promise<void> {
    if (this.isEnded) return;
    this.isEnded = true;
    this.parts.onEnd();
    this.drop();
    this.lease?.end();
    await this.reader?.drain(DRAIN_MAX);
  }

  // True: it has read of the body.
  private async step(): Promise<boolean> {
    this.lease ??= this.gate.enter(this.owner, this);
    const isHungry = this.engine !== undefined && this.progress === Progress.Hungry;
    const bytes = isHungry ? await this.reader?.read(FEED_MAX) : undefined;
    this.tally.bytesIn += bytes?.length ?? 0;
    this.progress = await this.lease.run(async () => {
      const begun = performance.now();
      try {
        return await this.work(bytes);
      } finally {
        this.tally.cpu += performance.now() - begun;
        this.tally.pumps += 1;
      }
    });
    return bytes !== undefined;
  }

  private async work(bytes: Uint8Array | undefined): Promise<Progress> {
    // While its client was waited for: nothing is begun anew.
    if (this.isDropped) throw new Crowded(CUT);
    if (this.engine) return bytes ? this.engine.feed(bytes) : this.engine.pump();
    this.engine = new Engine(this.parts.module, this.host(), this.parts.suspends);
    return this.engine.start(this.parts.ask);
  }

  private host(): Host {
    const { host } = this.parts;
    return {
      get: (key) => host.get(key),
      scan: (prefix, after, bytesMax) => host.scan(prefix, after, bytesMax),
      commit: (expects, writes) => {
        this.isDirty = true;
        this.hasCommitted = true;
        return host.commit(expects, writes);
      },
      emit: (bytes) => void this.output.push(bytes),
    };
  }
}

// A request's body, in pieces of a good size.
class Body {
  private readonly reader: ReadableStreamBYOBReader;
  private isOver = false;
  private bytes = 0;
  // The last piece's, for the next one: whoever had it has copied it.
  private buffer = new ArrayBuffer(0);

  constructor(
    stream: ReadableStream<Uint8Array>,
    private readonly bytesMax: number,
  ) {
    this.reader = stream.getReader({ mode: "byob" });
  }

  // The next piece; `undefined`: it is over, or has passed its limit. Then the rest is read first:
  // a client that still sends does not listen.
  async read(size: number): Promise<Uint8Array | undefined> {
    const piece = await this.take(size);
    this.bytes += piece?.length ?? 0;
    if (this.bytesMax === 0 || this.bytes <= this.bytesMax) return piece;
    await this.drain(DRAIN_MAX);
    return undefined;
  }

  private async take(size: number): Promise<Uint8Array | undefined> {
    if (this.isOver) return undefined;
    try {
      const { buffer } = this;
      const room = buffer.byteLength === size ? buffer : new ArrayBuffer(size);
      const { done, value } = await this.reader.readAtLeast(size, new Uint8Array(room));
      if (value) this.buffer = value.buffer;
      this.isOver = done;
      return value && value.length > 0 ? value : undefined;
    } catch (error) {
      this.isOver = true;
      throw new Refused(400, `the request's body is damaged or cut: ${String(error)}`);
    }
  }

  async drain(bytesMax: number): Promise<void> {
    try {
      for (let bytes = 0; bytes < bytesMax; ) {
        const piece = await this.take(1 << 16);
        if (!piece) return;
        bytes += piece.length;
      }
      this.isOver = true;
      await this.reader.cancel();
    } catch {
      // The client is gone.
    }
  }
}
