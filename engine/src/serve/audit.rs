//! The check of everything that is stored: a line for each problem and for each ref that leads to
//! one, then `ok` or how many there are. A bounded step at a time.

use crate::error::Result;
use crate::hash::Oid;
use crate::limits::SUSPECTS_MAX;
use crate::store::check::{Check, Problem};
use crate::store::{Store, Target, decimal};
use crate::walk::{Ask, Walk};
use alloc::vec::{IntoIter, Vec};

/// Of a ref.
type Name = Vec<u8>;
type Refs = IntoIter<(Name, Result<Target>)>;

pub struct Audit {
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
    pub fn new() -> Audit {
        let (check, suspects) = (Check::new(), Vec::new());
        Audit { check, problems: 0, suspects, refs: None, walk: None }
    }

    /// True: all was looked at.
    pub fn step(&mut self, store: &mut Store, out: &mut Vec<u8>) -> Result<bool> {
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
                self.end(store, out);
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
        let is_over = check.step(store, &mut |problem| {
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
        })?;
        if is_over {
            *refs = Some((Vec::new().into_iter(), Vec::new()));
        }
        Ok(false)
    }

    fn end(&mut self, store: &Store, out: &mut Vec<u8>) {
        for _ in 0..store.damaged_pages() {
            self.problems += 1;
            line(out, b"damaged row of a pack", b"");
        }
        let mut digits = [0; 20];
        line(out, decimal(self.check.count, &mut digits), b" objects are whole");
        match self.problems {
            0 => line(out, b"ok", b""),
            count => line(out, decimal(count, &mut digits), b" problems"),
        }
    }
}

fn line(out: &mut Vec<u8>, text: &[u8], more: &[u8]) {
    out.extend_from_slice(text);
    out.extend_from_slice(more);
    out.push(b'\n');
}
