// Names of repositories, `NAMESPACE/NAME`, and their URLs: as on every host. Knows no store.

const PART = /^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/;
const BAD = /\.\.|\.git$|\.lock$/i;

export interface Route {
  readonly repository: string;
  // The path inside the repository.
  readonly inside: string;
}

export function isName(text: string): boolean {
  const parts = text.split("/");
  return parts.length === 2 && parts.every((part) => PART.test(part) && !BAD.test(part));
}

// Splits a URL's path: `/NAMESPACE/NAME.git/…`, also after `/git`. `undefined`: no repository's
// URL.
export function route(path: string): Route | undefined {
  return read(path.slice(1)) ?? (path.startsWith("/git/") ? read(path.slice(5)) : undefined);
}

function read(path: string): Route | undefined {
  const found = /^([^/]*)\/([^/]*)\.git(\/.*)$/s.exec(path);
  if (!found) return undefined;
  const [, namespace = "", name = "", inside = ""] = found;
  const repository = `${namespace}/${name}`;
  return isName(repository) ? { repository, inside } : undefined;
}

export function namespaceOf(repository: string): string {
  return repository.slice(0, repository.indexOf("/"));
}
