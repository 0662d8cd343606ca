// The front Worker of the conformance run with RESTARTS=1: it ends a repository's object before
// each request that finds it idle, so that nothing but rows leads from one request to the next.

import type { Env } from "../src/env";
import worker from "../src/index";
import { route } from "../src/names";

export { Meter, Repository } from "../src/index";

interface Use {
  requests: number;
  readonly ended: Promise<void>;
}

const uses = new Map<string, Use>();

export default {
  async fetch(request, env, ctx): Promise<Response> {
    const repository = route(new URL(request.url).pathname)?.repository;
    if (!repository) return await worker.fetch(request, env);
    const use = uses.get(repository) ?? { requests: 0, ended: end(env, repository) };
    uses.set(repository, use);
    use.requests += 1;
    const leave = () => {
      use.requests -= 1;
      if (use.requests === 0) uses.delete(repository);
    };
    try {
      await use.ended;
      const response = await worker.fetch(request, env);
      const { readable, writable } = new TransformStream();
      const piped = response.body ? response.body.pipeTo(writable) : writable.close();
      ctx.waitUntil(piped.catch(() => undefined).finally(leave));
      return new Response(response.body ? readable : null, response);
    } catch (error) {
      leave();
      throw error;
    }
  },
} satisfies ExportedHandler<Env>;

// The call is cut off by what it does.
async function end(env: Env, repository: string): Promise<void> {
  await env.REPOSITORY.getByName(repository).evict().then(
    () => undefined,
    () => undefined,
  );
}
