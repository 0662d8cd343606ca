//! The state of one zlib stream (RFC 1950 and 1951), cut anywhere. Knows no window.

use super::adler::Adler;
use super::bits::{Bits, Io};
use super::fast;
use super::table::{DISTANCE_SIZE, END, Kind, LENGTHS_SIZE, LITERAL, LITERAL_SIZE, SPECIAL, Table};
use crate::error::{Error, Result};
use alloc::boxed::Box;

/// A code of literals and lengths, and one of distances.
pub struct Codes {
    pub literals: Table<LITERAL_SIZE>,
    pub distances: Table<DISTANCE_SIZE>,
}

pub struct Decoder {
    state: State,
    bits: Bits,
    is_last: bool,
    /// Of the block: how many code lengths of literals, distances and code lengths there are.
    counts: [usize; 3],
    lengths: [u8; LENGTHS_MAX],
    tables: Box<Tables>,
}

struct Tables {
    fixed: Codes,
    dynamic: Codes,
    lengths: Table<LENGTHS_SIZE>,
}

/// Where the stream is.
#[derive(Clone, Copy)]
enum State {
    /// The container's two bytes.
    Head,
    /// A block's three bits; or the Adler-32, if the last block is over.
    Block,
    /// The size of a stored block.
    StoredSize,
    /// Bytes that are stored as they are; so many are left.
    Stored(usize),
    /// The counts of a block's code lengths.
    Counts,
    /// The lengths of the code of code lengths; so many are read.
    Lengths(usize),
    /// The code lengths; so many are read.
    Codes(usize),
    /// Literals and matches, in the block's own codes or in the fixed ones.
    Symbols { is_fixed: bool },
    /// The rest of a match, and whether the codes are the fixed ones.
    Match { length: usize, distance: usize, is_fixed: bool },
    /// All is made, and should have this Adler-32.
    Done(u32),
}

/// What a step leads to.
#[derive(PartialEq, Eq)]
enum Next {
    Step,
    /// All input is taken, and more is needed.
    Starved,
    /// There is no room left, or the stream has ended.
    Pause,
}

/// The code lengths of a block: 286 and 30, at most; 288 and 32 are the fixed ones.
const LENGTHS_MAX: usize = 320;
/// The order of the lengths of the code of code lengths.
static ORDER: [u8; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

impl Decoder {
    pub fn new() -> Decoder {
        let codes = || Codes { literals: Table::new(), distances: Table::new() };
        let mut fixed = codes();
        let mut lengths = [8; 288];
        lengths[144..256].fill(9);
        lengths[256..280].fill(7);
        fixed.literals.build(Kind::Literals, &lengths);
        fixed.distances.build(Kind::Distances, &[5; 32]);
        Decoder {
            state: State::Head,
            bits: Bits { bits: 0, count: 0 },
            is_last: false,
            counts: [0; 3],
            lengths: [0; LENGTHS_MAX],
            tables: Box::new(Tables { fixed, dynamic: codes(), lengths: Table::new() }),
        }
    }

    pub fn reset(&mut self) {
        self.state = State::Head;
        self.bits = Bits { bits: 0, count: 0 };
        self.is_last = false;
    }

    /// The Adler-32 that the content should have, if the stream has ended.
    pub fn end(&self) -> Option<u32> {
        match self.state {
            State::Done(adler) => Some(adler),
            _ => None,
        }
    }

    /// Goes on until there is no input or no room left, or the stream has ended.
    /// Takes no byte that is not the stream's.
    pub fn run(&mut self, io: &mut Io) -> Result<()> {
        let start = io.at;
        let next = loop {
            let next = self.step(io)?;
            if next != Next::Step {
                break next;
            }
        };
        // Without input that is needed, every byte that was taken is the stream's.
        if next == Next::Pause {
            let back = (self.bits.count as usize / 8).min(io.at - start);
            io.at -= back;
            self.bits.count -= 8 * back as u32;
        }
        self.bits.bits &= (1 << self.bits.count) - 1;
        Ok(())
    }

    /// Inflates the one whole stream at the start of `input` to `size` bytes at the start of `out`,
    /// and says how many bytes it took, or that input is missing.
    pub fn whole(&mut self, input: &[u8], size: usize, out: &mut [u8]) -> Result<Option<usize>> {
        let mut io = Io { input, at: 0, out, made: 0 };
        self.run(&mut io)?;
        let (at, made) = (io.at, io.made);
        let Some(expected) = self.end() else {
            return if made > size { Err(Error::BadZlib) } else { Ok(None) };
        };
        let mut adler = Adler::new();
        adler.update(out.get(..made).unwrap_or_default());
        if made == size && adler.value() == expected { Ok(Some(at)) } else { Err(Error::BadZlib) }
    }

    fn step(&mut self, io: &mut Io) -> Result<Next> {
        if !matches!(self.state, State::Stored(_)) {
            self.bits.refill(io);
        }
        match self.state {
            State::Head => self.read_head(),
            State::Block => self.read_block(),
            State::StoredSize => self.read_stored_size(),
            State::Stored(left) => Ok(self.copy_stored(io, left)),
            State::Counts => self.read_counts(),
            State::Lengths(read) => self.read_lengths(io, read),
            State::Codes(read) => self.read_codes(io, read),
            State::Symbols { is_fixed } => self.read_symbols(io, is_fixed),
            State::Match { length, distance, is_fixed } => {
                let size = length.min(io.out.len() - io.made);
                fast::copy(io.out, io.made, distance, size);
                io.made += size;
                let length = length - size;
                if length > 0 {
                    self.state = State::Match { length, distance, is_fixed };
                    return Ok(Next::Pause);
                }
                self.go(State::Symbols { is_fixed })
            }
            State::Done(_) => Ok(Next::Pause),
        }
    }

    fn go(&mut self, state: State) -> Result<Next> {
        self.state = state;
        Ok(Next::Step)
    }

    fn read_head(&mut self) -> Result<Next> {
        let Some(head) = self.bits.take(16) else {
            return Ok(Next::Starved);
        };
        let (method, flags) = (head & 0xff, head >> 8);
        let is_deflate = method & 15 == 8 && method >> 4 <= 7;
        // Bit 5 of the flags: a preset dictionary, which Git does not use.
        if !is_deflate || flags & 0x20 != 0 || !(method << 8 | flags).is_multiple_of(31) {
            return Err(Error::BadZlib);
        }
        self.go(State::Block)
    }

    fn read_block(&mut self) -> Result<Next> {
        if self.is_last {
            self.bits.align();
            let Some(adler) = self.bits.take(32) else {
                return Ok(Next::Starved);
            };
            return self.go(State::Done((adler as u32).swap_bytes()));
        }
        let Some(head) = self.bits.take(3) else {
            return Ok(Next::Starved);
        };
        self.is_last = head & 1 != 0;
        match head >> 1 {
            0 => self.go(State::StoredSize),
            1 => self.go(State::Symbols { is_fixed: true }),
            2 => self.go(State::Counts),
            _ => Err(Error::BadZlib),
        }
    }

    fn read_stored_size(&mut self) -> Result<Next> {
        self.bits.align();
        let Some(sizes) = self.bits.take(32) else {
            return Ok(Next::Starved);
        };
        let (size, inverse) = (sizes & 0xffff, sizes >> 16);
        if size != inverse ^ 0xffff {
            return Err(Error::BadZlib);
        }
        self.go(State::Stored(size as usize))
    }

    fn copy_stored(&mut self, io: &mut Io, left: usize) -> Next {
        if left == 0 {
            self.state = State::Block;
            return Next::Step;
        }
        let Some(room) = io.out.get_mut(io.made..).filter(|room| !room.is_empty()) else {
            return Next::Pause;
        };
        let mut copied = 0;
        if self.bits.count > 0 {
            // The bits are whole bytes.
            for place in room.iter_mut().take(left) {
                let Some(byte) = self.bits.take(8) else {
                    break;
                };
                *place = byte as u8;
                copied += 1;
            }
        } else {
            self.bits.bits = 0;
            let rest = io.input.get(io.at..).unwrap_or_default();
            copied = left.min(rest.len()).min(room.len());
            if let (Some(to), Some(from)) = (room.get_mut(..copied), rest.get(..copied)) {
                to.copy_from_slice(from);
            }
            io.at += copied;
            if copied == 0 {
                return Next::Starved;
            }
        }
        io.made += copied;
        self.state = State::Stored(left - copied);
        Next::Step
    }

    fn read_counts(&mut self) -> Result<Next> {
        let Some(counts) = self.bits.take(14) else {
            return Ok(Next::Starved);
        };
        let [literals, distances, lengths] = [counts & 31, counts >> 5 & 31, counts >> 10];
        self.counts = [literals as usize + 257, distances as usize + 1, lengths as usize + 4];
        if literals + 257 > 286 || distances + 1 > 30 {
            return Err(Error::BadZlib);
        }
        self.lengths[..19].fill(0);
        self.go(State::Lengths(0))
    }

    fn read_lengths(&mut self, io: &mut Io, mut read: usize) -> Result<Next> {
        for symbol in ORDER.iter().take(self.counts[2]).skip(read) {
            self.bits.refill(io);
            let Some(length) = self.bits.take(3) else {
                self.state = State::Lengths(read);
                return Ok(Next::Starved);
            };
            self.lengths[usize::from(*symbol)] = length as u8;
            read += 1;
        }
        if !self.tables.lengths.build(Kind::Lengths, &self.lengths[..19]) {
            return Err(Error::BadZlib);
        }
        self.go(State::Codes(0))
    }

    fn read_codes(&mut self, io: &mut Io, mut read: usize) -> Result<Next> {
        let [literals, distances, _] = self.counts;
        let end = literals + distances;
        while read < end {
            self.bits.refill(io);
            let entry = self.tables.lengths.first(self.bits.bits);
            let (code_bits, symbol) = (entry & 63, (entry >> 16) as u8);
            let (extra, least) = match symbol {
                16 => (2, 3),
                17 => (3, 3),
                18 => (7, 11),
                _ => (0, 1),
            };
            let Some(code) = self.bits.take(code_bits + extra) else {
                self.state = State::Codes(read);
                return Ok(Next::Starved);
            };
            let times = (code >> code_bits) as usize + least;
            let length = match symbol {
                0..16 => symbol,
                16 => *read
                    .checked_sub(1)
                    .and_then(|last| self.lengths.get(last))
                    .ok_or(Error::BadZlib)?,
                _ => 0,
            };
            let places = self.lengths[..end.min(LENGTHS_MAX)].get_mut(read..read + times);
            places.ok_or(Error::BadZlib)?.fill(length);
            read += times;
        }
        let (literals, distances) = self
            .lengths
            .get(..end)
            .and_then(|all| all.split_at_checked(literals))
            .ok_or(Error::BadZlib)?;
        let codes = &mut self.tables.dynamic;
        // A block must be able to end.
        if literals.get(256) == Some(&0)
            || !codes.literals.build(Kind::Literals, literals)
            || !codes.distances.build(Kind::Distances, distances)
        {
            return Err(Error::BadZlib);
        }
        self.go(State::Symbols { is_fixed: false })
    }

    /// As many symbols as can be read fast, and one more.
    fn read_symbols(&mut self, io: &mut Io, is_fixed: bool) -> Result<Next> {
        let codes = if is_fixed { &self.tables.fixed } else { &self.tables.dynamic };
        if fast::run(codes, &mut self.bits, io)? {
            return self.go(State::Block);
        }
        self.bits.refill(io);
        let Some((entry, value, used)) = self.bits.peek(&codes.literals, 0) else {
            return Ok(Next::Starved);
        };
        if entry & LITERAL != 0 {
            let Some(place) = io.out.get_mut(io.made) else {
                return Ok(Next::Pause);
            };
            *place = (entry >> 16) as u8;
            io.made += 1;
            self.bits.drop(used);
            return Ok(Next::Step);
        }
        if entry & END == END {
            self.bits.drop(used);
            return self.go(State::Block);
        }
        let length = value;
        let Some((distance_entry, distance, used)) = self.bits.peek(&codes.distances, used) else {
            return if entry & SPECIAL != 0 { Err(Error::BadZlib) } else { Ok(Next::Starved) };
        };
        if (entry | distance_entry) & SPECIAL != 0 || distance > io.made {
            return Err(Error::BadZlib);
        }
        self.bits.drop(used);
        self.go(State::Match { length, distance, is_fixed })
    }
}
