// Serves in workerd on this machine: `serve.mjs ENTRY HOST:PORT DATA [--var KEY:VALUE]…`. Bindings
// are those of wrangler.jsonc. Clients talk to workerd itself: the proxies that `wrangler dev` puts
// before it copy each byte twice more.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { parseArgs } from "node:util";

const require = createRequire(import.meta.url);
const { buildSync } = require("esbuild");
const { Log, LogLevel, Miniflare, convertV4MiniflareOptions } = require("miniflare");

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: { var: { type: "string", multiple: true, default: [] } },
});
const [entry, listen, data] = positionals;
const [, host, port] = /^(.*):(\d+)$/.exec(listen) ?? [];
if (!port) throw new Error(`LISTEN is HOST:PORT, not ${listen}`);

// Whole lines of comment are all that the file has beside JSON.
function config() {
  const text = readFileSync("wrangler.jsonc", "utf8");
  return JSON.parse(text.replace(/^\s*\/\/.*$/gm, ""));
}

// The script, and the module that it imports.
function modules() {
  const { outputFiles } = buildSync({
    entryPoints: [entry],
    bundle: true,
    format: "esm",
    target: "es2024",
    external: ["cloudflare:*"],
    loader: { ".wasm": "copy" },
    assetNames: "[name]",
    outdir: "bundle",
    write: false,
  });
  const script = outputFiles.filter(({ path }) => path.endsWith(".js"));
  const wasm = outputFiles.filter(({ path }) => path.endsWith(".wasm"));
  return [
    ...script.map(({ path, text }) => ({ type: "ESModule", path, contents: text })),
    ...wasm.map(({ path, contents }) => ({ type: "CompiledWasm", path, contents })),
  ];
}

function bindings(vars) {
  const given = values.var.map((text) => /^([^:]*):(.*)$/s.exec(text)?.slice(1) ?? [text, ""]);
  return { ...vars, ...Object.fromEntries(given) };
}

function options({ name, compatibility_date: compatibilityDate, durable_objects: objects, vars }) {
  const durableObjects = objects.bindings.map(({ name, class_name: className }) => [
    name,
    { className, useSQLite: true },
  ]);
  return {
    name,
    compatibilityDate,
    modules: modules(),
    modulesRoot: "bundle",
    bindings: bindings(vars),
    durableObjects: Object.fromEntries(durableObjects),
    kvNamespaces: ["TOKENS"],
    r2Buckets: { BUCKET: "gitcell" },
    analyticsEngineDatasets: { EVENTS: { dataset: "gitcell" } },
    unsafeDirectSockets: [{ host, port: Number(port) }],
  };
}

const level = { debug: LogLevel.DEBUG, info: LogLevel.INFO, none: LogLevel.NONE };
const server = new Miniflare(
  convertV4MiniflareOptions({
    host: "127.0.0.1",
    port: 0,
    // Nothing here calls home.
    cf: false,
    telemetry: { enabled: false },
    log: new Log(level[process.env.LOG] ?? LogLevel.WARN),
    // Where `wrangler dev` keeps it, too.
    resourcePersistencePath: `${data}/v3`,
    workers: [options(config())],
  }),
);
for (const signal of ["SIGINT", "SIGTERM"]) {
  process.on(signal, () => void server.dispose().finally(() => process.exit()));
}
await server.ready;
