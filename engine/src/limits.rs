//! Every bound in one place; their relations are asserted, not remembered. Knows no room.

/// Linear memory of one request, as the module declares it.
pub const MEMORY_MAX: usize = 32 << 20;
/// A row's value: well under the 2 MB row limit of Durable Objects.
pub const ROW_MAX: usize = 1 << 20;
/// What a row of a pack holds besides its sum.
pub const PAGE_MAX: usize = ROW_MAX - 4;
/// A key; the longest is a ref's.
pub const KEY_MAX: usize = 512;
/// The longest ref name that is accepted.
pub const REFNAME_MAX: usize = 500;
/// A whole pkt-line with its four digits (gitprotocol-common: 65520).
pub const LINE_MAX: usize = 65_520;
/// The most that one pump emits.
pub const EMIT_MAX: usize = 256 << 10;
/// What there is to send waits for more of it, but not longer than so many pumps.
pub const PUMPS_MAX: usize = 16;
/// After so many steps without a word the client is told that work goes on.
pub const STEPS_SILENT: usize = 32;
/// Bytes of rows that one scan asks for.
pub const SCAN_MAX: usize = 256 << 10;

/// A larger object is never held: it is hashed as a stream, and stored whole.
pub const HELD_MAX: usize = 4 << 20;
/// The instructions of one delta, inflated.
pub const DELTA_MAX: usize = 8 << 20;
/// Contents of recent objects, as delta bases.
pub const RING_MAX: usize = 6 << 20;
/// In a push of more objects than this, which need the memory themselves, it is less.
pub const COUNT_LARGE: usize = 100_000;
pub const RING_SMALL: usize = 4 << 20;
/// Contents of stored objects that deltas of a pack being received lean on.
pub const RING_OUTSIDE: usize = 2 << 20;
/// Rows of indexes that a request keeps while it only reads.
pub const INDEX_CACHE_MAX: usize = 7 << 20;
/// The same while a pack is received.
pub const INDEX_IMPORT_MAX: usize = 2 << 20;
/// The same once all parts of a large pack are stored, and what they refer to is looked up.
pub const INDEX_SETTLE_MAX: usize = 10 << 20;
/// The same while upkeep walks: index pages are asked for in no order, rows of data one by one.
pub const INDEX_WALK_MAX: usize = 14 << 20;
/// Rows of packs' data that a request keeps while it only reads.
pub const ROWS_CACHE_MAX: usize = 10 << 20;
/// The same while a pack is received, which needs the memory itself.
pub const ROWS_IMPORT_MAX: usize = 3 << 20;
/// The same while deltas are made, in a push of at most `COUNT_LARGE` objects, none of them over
/// `EACH_MAX`: memory is left then.
pub const ROWS_RESOLVE_MAX: usize = 9 << 20;
pub const EACH_MAX: u64 = 1 << 20;
/// The longest delta chain that is followed; longer ones are refused when they arrive.
pub const DEPTH_MAX: u8 = 250;
/// Bytes that the deltas of one push may make, all told, and as many more for each byte that was
/// sent.
pub const MADE_MAX: u64 = 8 << 30;
pub const MADE_RATIO: u64 = 100;
/// Places in a pack being sent that are remembered: deltas lean by distance on what was sent since.
pub const JUMPS_MAX: usize = 200_000;
/// Objects in one pack that is received: more than a walk could mark within its memory.
pub const OBJECTS_MAX: usize = 10_000_000;
/// A pack of more objects is taken in parts, each of them stored as a pack of its own.
pub const PART_OBJECTS: usize = 130_000;
/// A part ends, too, where its objects and those that they refer to are so many.
pub const PART_IDS: usize = 160_000;
/// Room for what the last object of a part refers to; more is made if need be.
pub const PART_IDS_MORE: usize = 14_000;
/// Objects that a merge lists at most.
pub const MERGE_OBJECTS: u64 = 2_000_000;
/// Objects of a pack in parts that nothing in it refers to, and that are looked at one by one.
pub const ROOTS_MAX: usize = 10_000;
/// Where a chain would grow past it, the object is stored whole.
pub const CHAIN_MAX: u8 = 50;
/// Tries to change the manifest while other pushes change it.
pub const CLAIMS_MAX: usize = 100;
/// Packs that a repository has at most: their list is one row.
pub const PACKS_MAX: usize = 8_000;
/// An object of at most so many bytes is inflated at once; larger ones by pieces of this size.
pub const WHOLE_MAX: u64 = 64 << 10;
/// Bytes of objects that wait until their ids are computed together, and of the largest of them.
pub const WAITING_MAX: usize = 3 << 19;
pub const WAITS_MAX: usize = 400 << 10;
/// Bytes of content that one step of a push makes of deltas.
pub const STEP_MAX: usize = 1 << 20;
/// Ids that one step of a push looks up.
pub const CLOSE_STEP: usize = 10_000;
/// A longer line of `.gitattributes` is a fault (git's `gitattributesLineLength`).
pub const ATTRIBUTES_LINE_MAX: usize = 2048;
/// A longer name in a tree is a fault (git's `largePathname`).
pub const PATHNAME_MAX: usize = 4096;
/// Commits or trees that a walk has yet to look at.
pub const WALK_MAX: usize = 400_000;
/// Commits, and parents of commits, that a bounded search looks at.
pub const ANCESTORS_MAX: usize = 40_000;
/// Commits of both sides that a request looks at to learn whether it knows enough of the client's.
pub const READY_MAX: usize = 400_000;
/// Tags that lead to a tag, one behind the other.
pub const TAGS_MAX: usize = 100;
/// A repository of fewer objects has no bitmaps: a walk is as fast.
pub const BITMAPS_FROM: u32 = 5_000;
/// What nothing reaches is kept so long, in case that a deleted ref is wanted back
/// (`gc.pruneExpire` of git: two weeks).
pub const PRUNE_SECONDS: u64 = 14 * 24 * 3600;
/// Records of pushes that upkeep reads.
pub const LOG_MAX: u64 = 20_000;
/// Commits that have a bitmap, at most.
pub const BITMAPS_MAX: usize = 128;
/// A commit from which fewer commits lead to one with a bitmap gets none.
pub const BITMAP_COMMITS: usize = 64;
/// Commits of the client's that are followed to one with a bitmap, and bitmaps that tell what the
/// client has: deltas may lean on that.
pub const SEEK_MAX: usize = 512;
pub const REACHED_MAX: usize = 8;
/// Bytes of packs that upkeep hashes unasked, so that clones need not.
pub const HASHED_MAX: u64 = 8 << 20;
/// Small packs that are left alone, so that not every push merges; and by all upkeep: two of a size
/// become one.
pub const SMALL_PACKS_MAX: usize = 16;
pub const FEW_PACKS_MAX: usize = 1;
/// Rows of packs that were merged stay so long for those who still read them.
pub const GRACE_SECONDS: u64 = 3600;
/// A push that takes longer than this may find its rows deleted, and is then refused.
pub const STAGED_SECONDS: u64 = 24 * 3600;
/// Packs, and runs of small ones, that wait for their deletion, and pushes under way.
pub const RETIRED_MAX: usize = 10_000;
/// Lines of a request, all told: 100,000 refs can be pushed at once, and then some.
pub const LINES_MAX: usize = 250_000;
/// Haves of a client that are kept, and its wants.
pub const HAVES_MAX: usize = 50_000;
pub const WANTS_MAX: usize = 150_000;
/// Bytes of a list of patterns that a client names for a filter.
pub const PATTERNS_MAX: u64 = 256 << 10;
/// Prefixes that `ls-refs` looks for one by one.
pub const PREFIXES_MAX: usize = 1_000;
/// Bytes of packs that a push merges before it ends; more is left to upkeep.
pub const MERGE_MAX: u64 = 4 << 20;
/// Refs that one push moves.
pub const COMMANDS_MAX: usize = 120_000;
/// Bytes of their names.
pub const NAMES_MAX: usize = 6 << 20;
/// A push that moves more refs than this reads all that there are, instead of each by its name.
pub const REFS_ASKED_MAX: usize = 20;
/// A push that moves more refs is not asked whether it is a fast-forward.
pub const FORWARDS_MAX: usize = 1_000;
/// Beside so many commands a pack is taken in parts of so many objects: both need memory.
pub const COMMANDS_MANY: usize = 2_000;
pub const PART_SMALL: u32 = 30_000;
/// Bytes of the reason why a pack is refused: it may name a path, or quote a file.
pub const REASON_MAX: usize = 8 << 10;
/// Bytes of a report on refs that one pump writes.
pub const REPORT_MAX: usize = 60 << 10;
/// Bytes of a repository's settings.
pub const SETTINGS_MAX: usize = 64 << 10;
/// Bytes of warnings about objects that a push is told.
pub const WARNINGS_MAX: usize = 32 << 10;
/// Bytes of a push certificate: some 8,000 refs.
pub const CERTIFICATE_MAX: usize = 1 << 20;
/// Damaged objects that a check looks for behind each ref.
pub const SUSPECTS_MAX: usize = 1_000;
/// Bytes that a push option counts for at least.
pub const OPTION_LEAST: usize = 16;
/// Bytes of push options.
pub const OPTIONS_MAX: usize = 64 << 10;

const _: () = assert!(REFNAME_MAX + 2 <= KEY_MAX);
const _: () = assert!(CHAIN_MAX < DEPTH_MAX);
const _: () = assert!(LINE_MAX < EMIT_MAX);
const _: () = assert!(REASON_MAX < REPORT_MAX);
const _: () = assert!(ROW_MAX < HELD_MAX);
const _: () = assert!((PART_IDS + PART_IDS_MORE) * 3 / 2 < 1 << 18);
const _: () = assert!(2 * (WAITING_MAX + WAITS_MAX) < RING_SMALL);
