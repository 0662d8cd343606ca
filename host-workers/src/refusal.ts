// The host's own short answers. Knows no repository.

const RETRY = "10";

// A request that is not done, by its status.
export class Refused extends Error {
  constructor(
    readonly status: number,
    text: string,
  ) {
    super(text);
  }
}

export function refusal(status: number, text: string): Response {
  const headers = new Headers({
    "content-type": "text/plain; charset=utf-8",
    "cache-control": "no-cache",
  });
  if (status === 401) headers.set("www-authenticate", 'Basic realm="gitcell"');
  if (status === 405) headers.set("allow", "GET, HEAD, POST");
  if (status === 503) headers.set("retry-after", RETRY);
  return new Response(`${text}\n`, { status, headers });
}
