// The Durable Object: one repository. An instance of the engine for each request, dropped at its
// end; all state is in rows, so that eviction at any moment loses nothing.

import { DurableObject } from "cloudflare:workers";
import module from "../../dist/engine.wasm";
import { ADMIN, type Ask, READ, WRITE } from "./engine";
import { type Env, number } from "./env";
import { Exchange, FEED_MAX } from "./exchange";
import { Fault } from "./fault";
import { Crowded, Gate } from "./gate";
import { Report } from "./report";
import { Restore } from "./restore";
import { Rows, concat } from "./storage";
import { Reader, Tier } from "./tier";
import { Refused, refusal } from "./refusal";
import { SIZE_MAX, Upkeep } from "./upkeep";

// What the front Worker knows of a request. It travels in a header that only the front can set.
export interface Call {
  readonly repository: string;
  readonly inside: string;
  readonly access: number;
  readonly caller: string;
  // What binds the caller's pushes.
  readonly rules: string;
  readonly id: string;
  // Whether a first push makes the repository.
  readonly creates: boolean;
}

export const CALL = "gitcell-call";

// One for all objects of the isolate: its memory is theirs together.
export const gate = new Gate();

// What an engine is not told: who authenticates, and what concerns one connection or this host
// only.
const PRIVATE = new Set([
  "authorization", "connection", "content-encoding", "cookie", "expect", "keep-alive",
  "proxy-authenticate", "proxy-authorization", "proxy-connection", "te", "trailer",
  "transfer-encoding", "upgrade", CALL,
]);

export class Repository extends DurableObject<Env> {
  private readonly rows: Rows;
  private readonly tier: Tier | undefined;
  private readonly upkeep: Upkeep;
  private readonly restoring: Restore;
  private readonly report: Report;
  // Requests that could not wait for a cold row.
  private unsuspending = 0;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    this.rows = new Rows(ctx.storage, ctx.id.toString());
    gate.forget(ctx.id.toString());
    if (env.BUCKET) this.tier = new Tier(this.rows, env.BUCKET, `cold/${ctx.id.toString()}`);
    this.report = new Report(env, (work) => ctx.waitUntil(work));
    const apart = <T>(work: () => Promise<T>) => gate.apart(ctx.id.toString(), work);
    this.upkeep = new Upkeep({
      storage: ctx.storage,
      env,
      rows: this.rows,
      tier: this.tier,
      maintain: () => this.runAll("POST", "/-/maintain", crypto.randomUUID()),
      scrub: () => this.runAll("GET", "/-/scrub", crypto.randomUUID()),
      isQuiet: () => this.unsuspending === 0,
      apart,
    });
    this.restoring = new Restore(this.rows, this.tier, this.upkeep, apart);
  }

  override async fetch(request: Request): Promise<Response> {
    const begun = Date.now();
    const call: Call = JSON.parse(request.headers.get(CALL) ?? "null");
    let exchange: Exchange | undefined;
    try {
      this.restoring.check();
      if (request.method === "POST") await this.upkeep.look();
      if (call.creates && this.rows.isEmpty) await this.runAll("POST", "/-/create", call.id);
      const ask = this.ask(request, call);
      const onChange = () => this.changed(call.repository);
      exchange = this.exchange(ask, body(request), bodyMax(request, this.env), true, onChange);
      const { head, rest } = await exchange.head();
      const headers = new Headers(head.headers.map(([name, value]) => [name, value]));
      const { cpu } = exchange.tally;
      headers.set("server-timing", `head;dur=${Date.now() - begun}, engine;dur=${cpu.toFixed(1)}`);
      const stream = this.stream(exchange, rest, call, begun, head.status);
      if (request.method === "HEAD" || rest.length === 0 && head.status === 204) {
        await stream.cancel();
        return new Response(null, { status: head.status, headers });
      }
      return new Response(stream, { status: head.status, headers });
    } catch (error) {
      return this.finish(call, exchange, begun, error);
    }
  }

  override async alarm(info?: AlarmInvocationInfo): Promise<void> {
    await this.upkeep.alarm(info?.retryCount);
  }

  // Takes a snapshot into R2 and gives its name; `undefined`: there is no repository.
  async snapshot(): Promise<string | undefined> {
    this.restoring.check();
    return this.rows.isEmpty ? undefined : await this.upkeep.snapshot();
  }

  // Moves cold rows to R2, a bounded step; true if there may be more.
  async cool(days?: number): Promise<boolean> {
    this.restoring.check();
    return await this.upkeep.cool(days);
  }

  // Fills this empty object from a snapshot, or says why it cannot, by status. If it is stopped, it
  // is to be done again: until then there is nothing but a refusal.
  async restore(name: string, repository: string): Promise<{ status: number; text: string } | undefined> {
    const { BUCKET } = this.env;
    if (!BUCKET) return { status: 409, text: "there is no R2 bucket bound" };
    try {
      await this.restoring.run(BUCKET, name, repository);
    } catch (error) {
      if (error instanceof Refused) return { status: error.status, text: error.message };
      throw error;
    }
    return undefined;
  }

  // Ends this object as the platform may at any moment.
  evict(): void {
    this.ctx.abort("evicted");
  }

  // What the object holds, in bytes, and its instances; and its isolate's memory of all
  // instances, now and at most so far.
  usage(): { rows: number; cold: number; memory: number; peak: number; instances: number } {
    const memory = gate.held();
    const instances = gate.count(this.ctx.id.toString());
    const cold = this.tier?.bytes ?? 0;
    return { rows: this.rows.bytes, cold, memory, peak: gate.peak, instances };
  }

  private ask(request: Request, call: Call): Ask {
    const zipped = isZipped(request);
    const headers = [...request.headers].filter(
      ([name]) => !PRIVATE.has(name) && !(zipped && name === "content-length"),
    );
    return {
      method: request.method === "POST" ? "POST" : "GET",
      path: call.inside,
      query: new URL(request.url).search.slice(1),
      headers,
      time: seconds(),
      id: call.id,
      caller: call.caller + call.rules,
      access: call.access,
      sizeMax: number(this.env.SIZE_MAX, SIZE_MAX) + (this.tier?.bytes ?? 0),
    };
  }

  private exchange(
    ask: Ask,
    bytes: ReadableStream<Uint8Array> | null,
    bodyMax: number,
    touches = true,
    onChange?: () => void,
  ): Exchange {
    const suspends = this.rows.note("cold") !== undefined;
    const parts = {
      module,
      host: new Reader(this.rows, this.tier, touches, onChange),
      suspends,
      ask,
      body: bytes,
      bodyMax,
      sync: () => this.rows.sync(),
      onEnd: () => {
        if (!suspends) this.unsuspending -= 1;
      },
    };
    const exchange = new Exchange(parts, gate, this.ctx.id.toString());
    if (!suspends) this.unsuspending += 1;
    return exchange;
  }

  // The rest of an answer: the engine works as the client takes it, and not ahead.
  private stream(
    exchange: Exchange,
    rest: Uint8Array,
    call: Call,
    begun: number,
    status: number,
  ): ReadableStream<Uint8Array> {
    // A client may go while the next piece is made for it: the request ends once.
    let ended: Promise<void> | undefined;
    const end = (error?: unknown) =>
      (ended ??= this.end(call, exchange, begun, error ? 599 : status, error));
    return new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          if (rest.length > 0) controller.enqueue(rest);
        },
        pull: async (controller) => {
          try {
            const bytes = await exchange.next();
            if (bytes) return controller.enqueue(bytes);
            controller.close();
            await end();
          } catch (error) {
            controller.error(error);
            await end(error);
          }
        },
        cancel: () => end(),
      },
      { highWaterMark: 0 },
    );
  }

  // A refusal of the host's own; the instance goes.
  private async finish(
    call: Call,
    exchange: Exchange | undefined,
    begun: number,
    error: unknown,
  ): Promise<Response> {
    const isKnown =
      error instanceof Refused || error instanceof Fault || error instanceof Crowded;
    const status = isKnown ? error.status : 500;
    const isOurs = !isKnown || error instanceof Fault;
    await this.end(call, exchange, begun, status, isOurs ? error : undefined);
    return refusal(status, isKnown ? error.message : "the server failed at this request");
  }

  // Whatever fails here, the instance goes, and the next request has its place.
  private async end(
    call: Call,
    exchange: Exchange | undefined,
    begun: number,
    status: number,
    error: unknown,
  ): Promise<void> {
    const name = `${call.id} ${call.repository} ${call.inside}:`;
    if (error !== undefined) console.error(name, error, causeOf(error));
    try {
      if (exchange) this.remember(call, exchange);
    } catch (error) {
      console.error(name, error, causeOf(error));
    }
    const time = (Date.now() - begun) / 1000;
    this.report.add(call, { status, time, ...exchange?.tally, ...this.rows.takeCost() });
    await exchange?.end();
  }

  // What upkeep and the tier need to know of a request that is over.
  private remember(call: Call, exchange: Exchange): void {
    if (this.rows.isEmpty) return;
    if (exchange.hasCommitted || this.upkeep.isForgotten) {
      const armed = this.upkeep.arm();
      this.ctx.waitUntil(armed.catch((error) => console.error(`${call.id}:`, error)));
    }
    this.tier?.keep();
  }

  // Inside a commit of a request.
  private changed(repository: string): void {
    this.restoring.check();
    this.upkeep.changed(repository);
  }

  // A request of the host's own.
  private async runAll(method: "GET" | "POST", path: string, id: string): Promise<string> {
    const [access, headers] = [READ | WRITE | ADMIN, [] as const];
    const time = seconds();
    const who = { time, id, caller: "", access, sizeMax: 0 };
    const ask = { method, path, query: "", headers, ...who };
    // What is read so is not read by anybody: it may grow cold all the same.
    const exchange = this.exchange(ask, null, 0, method === "POST");
    try {
      const { head, rest } = await exchange.head();
      const pieces = [rest];
      for (let more; (more = await exchange.next()); ) pieces.push(more);
      const text = new TextDecoder().decode(concat(pieces));
      if (head.status >= 500) throw new Error(`${method} ${path}: ${head.status} ${text}`);
      return text;
    } finally {
      await exchange.end();
    }
  }
}

function causeOf(error: unknown): unknown {
  return error instanceof Error ? (error.cause ?? "") : "";
}

function body(request: Request): ReadableStream<Uint8Array> | null {
  if (!request.body || !isZipped(request)) return request.body;
  return request.body.pipeThrough(new DecompressionStream("gzip"));
}

// The front lets through what is in one of two ways.
function isZipped(request: Request): boolean {
  return request.headers.get("content-encoding")?.endsWith("gzip") ?? false;
}

// Of a body that is known to be too large no more is looked at than an answer needs.
function bodyMax(request: Request, env: Env): number {
  const most = number(env.BODY_MAX, 0);
  const length = Number(request.headers.get("content-length") ?? 0);
  return most > 0 && length > most ? FEED_MAX : most;
}

function seconds(): number {
  return Math.floor(Date.now() / 1000);
}
