// Who may do what: tokens as Cloudflare Artifacts writes them, `art_v1_<40 hex>?expires=<unix
// seconds>`. Only their SHA-256 is kept, in KV; a token itself is seen once, by whoever made it.

import type { Env } from "./env";

export type Scope = "read" | "write";
export const TTL_MIN = 60;
export const TTL_MAX = 365 * 24 * 3600;
// KV takes nothing that it is to forget within a minute of its own clock.
const KV_LATER = 60;

const PATTERN = /^refs\/[^\s*?[\\^~:]*\*?$/;
const PATTERN_MAX = 200;
const PATTERNS_MAX = 20;
const FORM = /^art_v1_[0-9a-f]{40}\?expires=(\d{1,15})$/;
const ID_SIZE = 16;

// What binds a caller's pushes beside the scope: which refs, and whether history may be lost. The
// engine enforces it.
export interface Rules {
  readonly refs?: readonly string[];
  readonly noForce?: boolean;
}

interface Kept extends Rules {
  readonly hash: string;
  readonly repository: string;
  readonly scope: Scope;
  readonly expires: number;
}

// What a caller may do in one repository.
export interface Grant {
  readonly scope: Scope | "admin";
  // For the log of pushes: the token's id, never the token.
  readonly caller: string;
  // Lines that bind what may be pushed (`abi.wit`), each begun by a line's end.
  readonly rules: string;
}

// Why a caller is not let in.
export interface Refusal {
  readonly status: 401 | 403;
  readonly text: string;
}

export type Verdict = Grant | Refusal;

export async function create(
  env: Env,
  repository: string,
  scope: Scope,
  ttl: number,
  now: number,
  rules: Rules = {},
): Promise<{ token: string; id: string; expires: number }> {
  const secret = hex(crypto.getRandomValues(new Uint8Array(20)));
  const expires = now + ttl;
  const token = `art_v1_${secret}?expires=${expires}`;
  const hash = await hashOf(token);
  const kept: Kept = { hash, repository, scope, expires, ...rules };
  await env.TOKENS.put(key(hash), JSON.stringify(kept), { expiration: expires + KV_LATER });
  return { token, id: idOf(hash), expires };
}

// Ends a token, named by its id or its whole text.
export async function revoke(env: Env, token: string): Promise<boolean> {
  const id = FORM.test(token) ? idOf(await hashOf(token)) : token;
  if (!/^[0-9a-f]{16}$/.test(id)) return false;
  const isKnown = (await env.TOKENS.get(`token/${id}`)) !== null;
  await env.TOKENS.delete(`token/${id}`);
  return isKnown;
}

// What the request's credentials allow in `repository`.
export async function check(
  env: Env,
  request: Request,
  repository: string,
  now: number,
): Promise<Verdict> {
  if (isOpen(env, request)) return { scope: "admin", caller: "", rules: "" };
  const token = credential(request.headers.get("authorization"));
  if (token === undefined) {
    return { status: 401, text: "a token is needed: any user name, and the token as password" };
  }
  if (await isAdmin(env, token)) return { scope: "admin", caller: "admin", rules: "" };
  const expires = FORM.exec(token)?.[1];
  if (!expires) return { status: 403, text: "this token is not known here" };
  return judge(await find(env, token), repository, Number(expires), now);
}

function judge(
  kept: Kept | undefined,
  repository: string,
  expires: number,
  now: number,
): Verdict {
  if (!kept) return { status: 403, text: "this token is not known here, or was revoked" };
  if (Math.min(kept.expires, expires) <= now) {
    return { status: 403, text: "this token has expired" };
  }
  if (kept.repository !== repository) {
    return { status: 403, text: "this token is for another repository" };
  }
  return { scope: kept.scope, caller: idOf(kept.hash), rules: lines(kept) };
}

// Whether these are rules: patterns are refs' names, or their start and `*`.
export function areRules(refs: unknown, noForce: unknown): boolean {
  const isPattern = (text: unknown) =>
    typeof text === "string" && text.length <= PATTERN_MAX && PATTERN.test(text);
  const areRefs = Array.isArray(refs) && refs.length <= PATTERNS_MAX && refs.every(isPattern);
  return areRefs && typeof noForce === "boolean";
}

function lines({ refs = [], noForce = false }: Rules): string {
  const only = refs.length > 0 ? ["denyWrite=*"] : [];
  const kept = noForce ? ["denyForce=*", "denyDelete=*"] : [];
  const all = [...only, ...refs.map((pattern) => `denyWrite=!${pattern}`), ...kept];
  return all.map((line) => `\ngitcell.${line}`).join("");
}

// Whether all is open: by its setting, and on this machine only. Not to a page of another site that
// has the browser here ask: browsers say so.
export function isOpen(env: Env, request: Request): boolean {
  const { hostname } = new URL(request.url);
  const isHere = ["127.0.0.1", "localhost", "[::1]"].includes(hostname);
  const site = request.headers.get("sec-fetch-site") ?? "none";
  return env.OPEN === "1" && isHere && site === "none";
}

export async function isAdmin(env: Env, token: string): Promise<boolean> {
  if (!env.ADMIN_TOKEN) return false;
  return same(await digest(token), await digest(env.ADMIN_TOKEN));
}

// The token of a request: a Bearer's, or a Basic password; a user name without password is one too.
export function credential(header: string | null): string | undefined {
  const [, scheme = "", rest = ""] = /^(\S+)\s+(.*)$/.exec(header ?? "") ?? [];
  if (scheme.toLowerCase() === "bearer") return rest.trim();
  if (scheme.toLowerCase() !== "basic") return undefined;
  try {
    const [, user = "", password = ""] = /^([^:]*):(.*)$/s.exec(atob(rest.trim())) ?? [];
    return password || user || undefined;
  } catch {
    return undefined;
  }
}

async function find(env: Env, token: string): Promise<Kept | undefined> {
  const hash = await hashOf(token);
  const kept = await env.TOKENS.get<Kept>(key(hash), "json");
  return kept && same(utf8.encode(kept.hash), utf8.encode(hash)) ? kept : undefined;
}

const utf8 = new TextEncoder();

function same(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && crypto.subtle.timingSafeEqual(a, b);
}

async function digest(text: string): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", utf8.encode(text)));
}

async function hashOf(token: string): Promise<string> {
  return hex(await digest(token));
}

function idOf(hash: string): string {
  return hash.slice(0, ID_SIZE);
}

function key(hash: string): string {
  return `token/${idOf(hash)}`;
}

export function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
