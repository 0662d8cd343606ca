//! The check of everything that is stored, or of the rows' sums alone: a line for each problem and
//! for each ref that leads to one, then `ok` or how many there are. A bounded step at a time.

use crate::error::Result;
use crate::hash::Oid;
use crate::limits::SUSPECTS_MAX;
use crate::object::Kind;
use crate::object::check::{Finding, Severity};
use crate::store::check::{Check, Problem};
use crate::store::{Store, Target, decimal};
use crate::walk::{Ask, Walk};
use alloc::vec::{IntoIter, Vec};

/// Of a ref.
type Name = Vec<u8>;
type Refs = IntoIter<(Name, Result<Target>)>;

pub struct Audit {
    /// Nothing but rows is looked at.
    is_scrub: bool,
    /// The last row whose sum was checked; none once all were.
    rows: Option<Vec<u8>>,
    check: Check,
    problems: u64,
    /// Objects that are damaged, or refer to what is not there.
    suspects: Vec<Oid>,
    /// Refs to look at, and the last that was read; none before the objects are done.
    refs: Option<(Refs, Name)>,
    /// A ref that may lead to a suspect.
    walk: Option<(Name, Walk)>,
}

impl Audit {
    /// Of rows alone, or of all that they say too.
    pub fn new(is_scrub: bool) -> Audit {
        let (rows, check, suspects) = (Some(Vec::new()), Check::new(), Vec::new());
        Audit { is_scrub, rows, check, problems: 0, suspects, refs: None, walk: None }
    }

    /// True: all was looked at.
    pub fn step(&mut self, store: &mut Store, out: &mut Vec<u8>) -> Result<bool> {
        if let Some(after) = &mut self.rows {
            let is_over = store.check_rows(after, &mut |key| {
                self.problems += 1;
                out.extend_from_slice(b"damaged row ");
                for byte in key {
                    show(out, *byte);
                }
                out.push(b'\n');
            });
            if is_over {
                self.rows = None;
            }
            if is_over && self.is_scrub {
                self.end(out);
                return Ok(true);
            }
            return Ok(false);
        }
        if let Some((name, mut walk)) = self.walk.take() {
            let is_over = walk.step(store);
            if matches!(is_over, Ok(false)) {
                self.walk = Some((name, walk));
                return Ok(false);
            }
            let mut suspects = self.suspects.iter();
            let mut leads =
                |oid: &Oid| matches!(store.find(oid), Ok(Some(place)) if walk.sends(place));
            if is_over.is_err() || suspects.any(&mut leads) {
                line(out, b"damage behind ", &name);
            }
            return Ok(false);
        }
        let Some((refs, last)) = &mut self.refs else { return self.objects(store, out) };
        let Some((name, target)) = refs.next() else {
            let found = store.refs_found(b"", last);
            // So that packs are known that were pushed with these refs.
            store.reload()?;
            let Some(last) = found.last().map(|(name, _)| name.clone()) else {
                line(out, decimal(self.check.count, &mut [0; 20]), b" objects are whole");
                self.end(out);
                return Ok(true);
            };
            self.refs = Some((found.into_iter(), last));
            return Ok(false);
        };
        let text: &[u8] = match target {
            Ok(Target::Direct { oid, .. }) if !matches!(store.find(&oid), Ok(Some(_))) => {
                b"ref to a missing object "
            }
            Ok(Target::Direct { oid, .. }) if !self.suspects.is_empty() => {
                let (wants, commons) = (Vec::from([oid]), Vec::new());
                let (cut, filter) = (None, None);
                let ask = Ask { wants, commons, include_tag: false, thin: false, cut, filter };
                match Walk::thorough(store, ask) {
                    Ok(walk) => self.walk = Some((name, walk)),
                    Err(_) => line(out, b"damage behind ", &name),
                }
                return Ok(false);
            }
            Ok(_) => return Ok(false),
            Err(_) => b"damaged ref ",
        };
        self.problems += 1;
        line(out, text, &name);
        Ok(false)
    }

    fn objects(&mut self, store: &mut Store, out: &mut Vec<u8>) -> Result<bool> {
        let Audit { check, problems, suspects, refs, .. } = self;
        let format = store.format();
        let (mut found, mut faults) = (Vec::new(), 0);
        let mut report = |problem| {
            *problems += 1;
            let suspect = match problem {
                Problem::Damaged(oid) => {
                    line(out, b"damaged ", &oid.to_hex());
                    oid
                }
                Problem::Broken { from, to } => {
                    out.extend_from_slice(b"broken link from ");
                    out.extend_from_slice(&from.to_hex());
                    line(out, b" to ", &to.to_hex());
                    from
                }
                Problem::Unreadable(_) => {
                    line(out, b"unreadable index of a pack", b"");
                    // None that can be found: whoever needs the pack cannot go on.
                    Oid::zero(format)
                }
            };
            if suspects.len() < SUSPECTS_MAX {
                suspects.push(suspect);
            }
        };
        let mut tell = |kind: Kind, oid: &Oid, finding: &Finding| {
            let is_error = finding.severity == Severity::Error;
            faults += u64::from(is_error);
            let start: &[u8] = if is_error { b"error in " } else { b"warning in " };
            let text = finding.rule.message(oid, finding.detail);
            // In git's words, but for what the object is: `object <id>: <name>: <text>`.
            let rest = text.get(b"object".len()..).unwrap_or_default();
            line(&mut found, &[start, kind.name().as_bytes()].concat(), rest);
        };
        let is_over = check.step(store, &mut report, &mut tell)?;
        *problems += faults;
        out.append(&mut found);
        if is_over {
            *refs = Some((Vec::new().into_iter(), Vec::new()));
        }
        Ok(false)
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        match self.problems {
            0 => line(out, b"ok", b""),
            count => line(out, decimal(count, &mut [0; 20]), b" problems"),
        }
    }
}

/// Appends a byte of a key: as it is, or percent-encoded.
fn show(out: &mut Vec<u8>, byte: u8) {
    if byte.is_ascii_graphic() {
        out.push(byte);
        return;
    }
    let digit = |nibble: u8| b"0123456789ABCDEF"[usize::from(nibble)];
    out.extend_from_slice(&[b'%', digit(byte >> 4), digit(byte & 15)]);
}

fn line(out: &mut Vec<u8>, text: &[u8], more: &[u8]) {
    out.extend_from_slice(text);
    out.extend_from_slice(more);
    out.push(b'\n');
}
