// The front Worker: which repository, who, and how much; then the repository's object answers.
// Keeps no state, and knows nothing of Git but the endings of URLs.

import { ADMIN, READ, WRITE } from "./engine";
import type { Env } from "./env";
import { house } from "./house";
import { type Route, route } from "./names";
import { refusal } from "./refusal";
import { CALL, type Call } from "./repo";
import { check, isOpen } from "./tokens";

export { Meter } from "./metrics";
export { Repository } from "./repo";

const ACCESS = { read: READ, write: READ | WRITE, admin: READ | WRITE | ADMIN } as const;

export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    const id = crypto.randomUUID();
    const { pathname } = new URL(request.url);
    const found = await answer(request, env, id, pathname).catch((error) => {
      // KV failed, or the platform has ended the object, or cannot start it, or too many ask for it.
      console.error(`${id} ${pathname}:`, error);
      return refusal(503, "this repository could not be reached: try again");
    });
    const response = new Response(found.body, found);
    response.headers.set("x-request-id", id);
    return response;
  },
} satisfies ExportedHandler<Env>;

async function answer(request: Request, env: Env, id: string, path: string): Promise<Response> {
  const found = route(path);
  if (!found) return await house(request, env, path);
  const grant = await check(env, request, found.repository, Math.floor(Date.now() / 1000));
  if ("status" in grant) return refusal(grant.status, grant.text);
  const refused = refuse(request, found, grant.scope === "admin");
  if (refused) return refused;
  const creates = isOpen(env, request) && isPush(request, found.inside);
  const { caller, rules } = grant;
  const call: Call = { ...found, access: ACCESS[grant.scope], caller, rules, id, creates };
  const headers = new Headers(request.headers);
  headers.set(CALL, JSON.stringify(call));
  return await env.REPOSITORY.getByName(found.repository).fetch(new Request(request, { headers }));
}

function refuse(request: Request, found: Route, isAdmin: boolean): Response | undefined {
  if (!["GET", "HEAD", "POST"].includes(request.method)) {
    return refusal(405, "only GET, HEAD and POST are answered");
  }
  if (found.inside.startsWith("/-/") && !isAdmin) {
    return refusal(404, "there is nothing at this path");
  }
  const encoding = request.headers.get("content-encoding") ?? "identity";
  const isKnown = ["", "identity", "gzip", "x-gzip"].includes(encoding);
  return isKnown ? undefined : refusal(415, "only gzip is decoded");
}

function isPush(request: Request, inside: string): boolean {
  const { search } = new URL(request.url);
  return (
    inside === "/git-receive-pack" ||
    (inside === "/info/refs" && search === "?service=git-receive-pack")
  );
}
