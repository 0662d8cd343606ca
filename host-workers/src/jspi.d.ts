// JavaScript Promise Integration, which the runtime has and its types do not yet.

declare namespace WebAssembly {
  class Suspending {
    constructor(f: (...flat: never[]) => unknown);
  }
  function promising(f: (...flat: never[]) => number): (...flat: unknown[]) => Promise<number>;
}
