// The bindings of the tests are those of the Worker.

declare namespace Cloudflare {
  interface Env extends Readonly<import("../src/env").Env> {}
  interface GlobalProps {
    mainModule: typeof import("../src/index");
  }
}

// A file as text.
declare module "*?raw" {
  const text: string;
  export default text;
}
