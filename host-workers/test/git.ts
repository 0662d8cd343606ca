// As much of a git client as the tests need: pkt-lines, and packs of stored objects.

import { SELF } from "cloudflare:test";
import { concat, hex } from "./bytes";

export const ADMIN = { authorization: "Bearer test-admin" };
const utf8 = new TextEncoder();

export const ZERO = "0".repeat(40);

export function line(text: string): string {
  return (text.length + 4).toString(16).padStart(4, "0") + text;
}

export async function create(repository: string): Promise<void> {
  const url = `http://gitcell/${repository}.git/-/create`;
  const response = await SELF.fetch(url, { method: "POST", headers: ADMIN });
  await response.text();
  if (response.status !== 201) throw new Error(`create: ${response.status}`);
}

// Objects, their ids and a pack of them.
export interface Packed {
  readonly tip: string;
  readonly pack: Uint8Array<ArrayBuffer>;
}

// One commit of one file.
export async function pack(content: Uint8Array, message = "first"): Promise<Packed> {
  const blob = await object("blob", content);
  const entry = concat([utf8.encode("100644 file\0"), blob.id]);
  const tree = await object("tree", entry);
  const who = "A <a@example.org> 1700000000 +0000";
  const text = `tree ${hex(tree.id)}\nauthor ${who}\ncommitter ${who}\n\n${message}\n`;
  const commit = await object("commit", utf8.encode(text));
  const head = new Uint8Array(12);
  head.set(utf8.encode("PACK"));
  new DataView(head.buffer).setUint32(4, 2);
  new DataView(head.buffer).setUint32(8, 3);
  const body = concat([head, commit.entry, tree.entry, blob.entry]);
  return { tip: hex(commit.id), pack: concat([body, await sha1(body)]) };
}

const TYPES = { commit: 1, tree: 2, blob: 3 } as const;

async function object(type: keyof typeof TYPES, content: Uint8Array) {
  const id = await sha1(concat([utf8.encode(`${type} ${content.length}\0`), content]));
  const zipped = new Response(content.slice()).body?.pipeThrough(new CompressionStream("deflate"));
  const data = new Uint8Array(await new Response(zipped).arrayBuffer());
  return { id, entry: concat([header(TYPES[type], content.length), data]) };
}

function header(type: number, size: number): Uint8Array {
  const bytes = [(type << 4) | (size & 15)];
  for (let rest = Math.floor(size / 16); rest > 0; rest = Math.floor(rest / 128)) {
    bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) | 0x80;
    bytes.push(rest & 0x7f);
  }
  return Uint8Array.from(bytes);
}

async function sha1(bytes: Uint8Array): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.digest("SHA-1", bytes.slice()));
}

export function pushBody(old: string, packed: Packed, name = "refs/heads/main"): Uint8Array {
  const command = line(`${old} ${packed.tip} ${name}\0 report-status\n`);
  return concat([utf8.encode(`${command}0000`), packed.pack]);
}

export async function push(
  repository: string,
  body: Uint8Array | ReadableStream,
  headers: HeadersInit = ADMIN,
): Promise<{ status: number; text: string }> {
  const response = await SELF.fetch(`http://gitcell/${repository}.git/git-receive-pack`, {
    method: "POST",
    headers: { ...headers, "content-type": "application/x-git-receive-pack-request" },
    body: body instanceof ReadableStream ? body : body.slice(),
  });
  return { status: response.status, text: await textOf(response) };
}

export async function refs(repository: string, headers: HeadersInit = ADMIN): Promise<Response> {
  const url = `http://gitcell/${repository}.git/info/refs?service=git-upload-pack`;
  return await SELF.fetch(url, { headers });
}

// A clone's answer: the whole pack in side-band packets.
export async function fetchPack(repository: string, tip: string): Promise<Response> {
  const ask = `${line("command=fetch")}0001${line(`want ${tip}\n`)}${line("done\n")}0000`;
  return await SELF.fetch(`http://gitcell/${repository}.git/git-upload-pack`, {
    method: "POST",
    headers: {
      ...ADMIN,
      "content-type": "application/x-git-upload-pack-request",
      "git-protocol": "version=2",
    },
    body: ask,
  });
}

export async function bytesOf(response: Response): Promise<Uint8Array<ArrayBuffer>> {
  return new Uint8Array(await response.arrayBuffer());
}

// Not by `text()`, which warns of what is not text by its type.
export async function textOf(response: Response): Promise<string> {
  return new TextDecoder().decode(await response.arrayBuffer());
}
