// What the operator asks of the whole house: tokens, snapshots, metrics. Only for the admin
// credential.

import type { Env } from "./env";
import { meter } from "./metrics";
import { isName } from "./names";
import { Refused, refusal } from "./refusal";
import { list } from "./snapshot";
import * as tokens from "./tokens";

type Json = Readonly<Record<string, unknown>>;
type Answer = (env: Env, ask: Json, url: URL) => Promise<Response>;

const ROUTES: Readonly<Record<string, Answer>> = {
  "GET /metrics": async (env, _, url) =>
    new Response(await meter(env).text(url.searchParams.get("repository")), {
      headers: { "content-type": "text/plain; version=0.0.4" },
    }),
  "POST /-/tokens": createToken,
  "POST /-/tokens/revoke": async (env, { token }) => {
    const isKnown = typeof token === "string" && (await tokens.revoke(env, token));
    return isKnown ? Response.json({ revoked: true }) : refusal(404, "there is no such token");
  },
  "GET /-/snapshots": async (env, _, url) => {
    const repository = named(url.searchParams.get("repository"));
    return Response.json({ snapshots: env.BUCKET ? await list(env.BUCKET, repository) : [] });
  },
  "POST /-/snapshots": async (env, ask) => {
    if (!env.BUCKET) return refusal(409, "there is no R2 bucket bound");
    const snapshot = await stub(env, ask.repository).snapshot();
    if (snapshot === undefined) return refusal(404, "there is no such repository");
    return Response.json({ snapshot });
  },
  "POST /-/restore": async (env, { repository, snapshot }) => {
    if (typeof snapshot !== "string" || !snapshot.startsWith("snapshots/")) {
      return refusal(400, "a snapshot is named as GET /-/snapshots has it");
    }
    const failed = await stub(env, repository).restore(snapshot, named(repository));
    if (failed !== undefined) return refusal(failed.status, failed.text);
    return Response.json({ restored: repository });
  },
  "POST /-/cool": async (env, { repository, days = 0 }) => {
    if (typeof days !== "number" || days < 0) return refusal(400, "days is a number from 0 on");
    return Response.json({ moved: await stub(env, repository).cool(days) });
  },
  "POST /-/evict": async (env, { repository }) => {
    // The call is cut off by what it does.
    const ended = () => Response.json({ evicted: repository });
    return await stub(env, repository).evict().then(ended, ended);
  },
  "GET /-/usage": async (env, _, url) =>
    Response.json(await stub(env, url.searchParams.get("repository")).usage()),
};

// A request for no repository.
export async function house(request: Request, env: Env, path: string): Promise<Response> {
  if (path === "/") return refusal(200, "gitcell: repositories are at /NAMESPACE/NAME.git");
  const answer = ROUTES[`${request.method} ${path}`];
  if (!answer) return refusal(404, "no repository: their URLs are /NAMESPACE/NAME.git");
  const token = tokens.credential(request.headers.get("authorization"));
  if (!tokens.isOpen(env, request)) {
    if (token === undefined) return refusal(401, "the admin token is needed");
    if (!(await tokens.isAdmin(env, token))) return refusal(403, "this is not the admin token");
  }
  try {
    const ask: Json = request.method === "POST" ? await bodyOf(request) : {};
    return await answer(env, ask, new URL(request.url));
  } catch (error) {
    if (error instanceof Refused) return refusal(error.status, error.message);
    console.error(`${request.method} ${path}:`, error);
    const text = error instanceof Error ? error.message : String(error);
    return refusal(503, `this failed, and may be asked again: ${text}`);
  }
}

async function bodyOf(request: Request): Promise<Json> {
  try {
    const ask: unknown = await request.json();
    if (typeof ask === "object" && ask !== null) return ask as Json;
  } catch {
    // Told below.
  }
  throw new Refused(400, "the body is an object in JSON");
}

async function createToken(env: Env, ask: Json): Promise<Response> {
  const { repository, scope, ttl, refs = [], no_force: noForce = false } = ask;
  if (scope !== "read" && scope !== "write") return refusal(400, "a scope is read or write");
  if (typeof ttl !== "number" || ttl < tokens.TTL_MIN || ttl > tokens.TTL_MAX) {
    return refusal(400, `a ttl is ${tokens.TTL_MIN} to ${tokens.TTL_MAX} seconds`);
  }
  if (!tokens.areRules(refs, noForce)) {
    return refusal(400, "refs is a list of patterns such as refs/heads/a/*, no_force true or false");
  }
  if (scope === "read" && (noForce === true || (refs as unknown[]).length > 0)) {
    return refusal(400, "refs and no_force bind pushes: they need the scope write");
  }
  const now = Math.floor(Date.now() / 1000);
  const rules = { refs, noForce } as tokens.Rules;
  const made = await tokens.create(env, named(repository), scope, Math.floor(ttl), now, rules);
  return Response.json(made, { status: 201 });
}

function named(repository: unknown): string {
  if (typeof repository === "string" && isName(repository)) return repository;
  throw new Refused(400, "a repository is named NAMESPACE/NAME");
}

function stub(env: Env, repository: unknown) {
  return env.REPOSITORY.getByName(named(repository));
}
