// The bindings of the tests are those of the Worker.

declare namespace Cloudflare {
  interface Env extends Readonly<import("../src/env").Env> {}
  interface GlobalProps {
    mainModule: typeof import("../src/index");
  }
}
