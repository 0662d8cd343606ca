// The head of an engine's answer: RFC 3875, section 6.3, as abi.wit has it. Knows no meaning of any
// header.

const HEAD_MAX = 64 << 10;

export interface Head {
  readonly status: number;
  readonly headers: readonly (readonly [name: string, value: string])[];
}

// Reads the head at the start of `bytes` and says how many bytes it took. `undefined` asks for
// more.
export function read(bytes: Uint8Array): [head: Head, size: number] | undefined {
  const end = find(bytes);
  if (end === undefined) {
    if (bytes.length >= HEAD_MAX) throw new Error("the engine's head does not end");
    return undefined;
  }
  let status = 200;
  const headers: [string, string][] = [];
  for (const line of new TextDecoder().decode(bytes.subarray(0, end)).split("\r\n")) {
    const colon = line.indexOf(":");
    if (colon < 0) throw new Error("the engine's head has a bad line");
    const [name, value] = [line.slice(0, colon), line.slice(colon + 1).trim()];
    if (name.toLowerCase() !== "status") headers.push([name, value]);
    else if (/^\d{3}/.test(value)) status = Number(value.slice(0, 3));
    else throw new Error("the engine's status is no number");
  }
  return [{ status, headers }, end + 4];
}

function find(bytes: Uint8Array): number | undefined {
  for (let at = 0; at + 4 <= bytes.length; at += 1) {
    if (bytes[at] === 13 && bytes[at + 1] === 10 && bytes[at + 2] === 13 && bytes[at + 3] === 10) {
      return at;
    }
  }
  return undefined;
}
