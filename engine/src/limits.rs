//! Every bound in one place; their relations are asserted, not remembered. Knows no room.

/// Linear memory of one request, as the module declares it.
pub const MEMORY_MAX: usize = 32 << 20;
/// A row's value: well under the 2 MB row limit of Durable Objects.
pub const ROW_MAX: usize = 1 << 20;
/// A key; the longest is a ref's.
pub const KEY_MAX: usize = 512;
/// The longest ref name that is accepted.
pub const REFNAME_MAX: usize = 500;
/// A whole pkt-line with its four digits (gitprotocol-common: 65520).
pub const LINE_MAX: usize = 65_520;
/// The most that one pump emits.
pub const EMIT_MAX: usize = 256 << 10;
/// Bytes of rows that one scan asks for.
pub const SCAN_MAX: usize = 256 << 10;

/// A larger object is never held: it is hashed as a stream, and stored whole.
pub const HELD_MAX: usize = 4 << 20;
/// Content of recent objects, as delta bases.
pub const CACHE_MAX: usize = 7 << 20;
/// Objects in one pack that is received.
pub const OBJECTS_MAX: usize = 250_000;
/// Where a chain would grow past it, the object is stored whole.
pub const CHAIN_MAX: u8 = 50;

const _: () = assert!(REFNAME_MAX + 2 <= KEY_MAX);
const _: () = assert!(HELD_MAX <= CACHE_MAX);
const _: () = assert!(LINE_MAX < EMIT_MAX);
const _: () = assert!(ROW_MAX < HELD_MAX);
