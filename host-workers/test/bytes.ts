// Bytes for the tests.

export { concat, equal } from "../src/storage";
export { hex } from "../src/tokens";

// Bytes that do not shrink, the same each time.
export function noise(size: number, seed = 1): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(size);
  let state = seed;
  for (let at = 0; at < size; at += 1) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    bytes[at] = state >>> 24;
  }
  return bytes;
}
