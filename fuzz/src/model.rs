//! Pushes, deletions and upkeep on a host that dies now and then, against a model that knows what
//! was acknowledged.

use crate::client::{self, Change, Mortal, pack, push_body, repository, request, small_commit};
use crate::split;
use engine::engine::Request;
use engine::hash::{Format, Oid};
use engine::memory::Memory;
use std::collections::BTreeMap;

const NAMES: [&str; 4] = ["refs/heads/main", "refs/heads/a", "refs/heads/a-b", "refs/tags/v1"];

type Refs = BTreeMap<String, Oid>;

/// One step: what is pushed, and how.
struct Step {
    changes: Vec<(usize, Option<Oid>, Option<Oid>)>,
    pack: Vec<u8>,
}

struct Model {
    host: Memory,
    refs: Refs,
    /// Commits that were acknowledged once.
    known: Vec<Oid>,
    time: u64,
}

/// Whatever is pushed and whenever the host dies: refs are the old or the new ones, what was
/// acknowledged is there, and the repository is whole.
pub fn model(data: &[u8]) {
    let mut model =
        Model { host: repository(), refs: Refs::new(), known: Vec::new(), time: 1_700_000_000 };
    let mut rest = data;
    while let Some((step, after)) = split::<5>(rest).filter(|_| model.time < 1_700_100_000) {
        model.step(step);
        rest = after;
    }
}

impl Model {
    fn step(&mut self, [kind, name, other, number, fail]: [u8; 5]) {
        self.time += 1000;
        // A host that lives, for every other step.
        let calls_left = (fail & 1 == 1).then_some(usize::from(fail >> 1));
        let (name, other) = (usize::from(name) % 4, usize::from(other) % 4);
        let tip = |at: usize| self.refs.get(NAMES[at]).copied();
        let step = match kind & 7 {
            0..=2 => self.grow(name, tip(other), number),
            3 => Step { changes: vec![(name, tip(name), None)], pack: Vec::new() },
            4 => {
                let mut step = self.grow(name, tip(name), number);
                let new = step.changes[0].2;
                // With a wrong old id now and then.
                let old = if number & 1 == 0 { tip(other) } else { new };
                step.changes.push((other, old, new));
                step
            }
            5 => return self.maintain(calls_left),
            6 => {
                let known = self.known.get(usize::from(number) % self.known.len().max(1)).copied();
                let Some(known) = known else { return };
                Step { changes: vec![(name, tip(name), Some(known))], pack: pack(&[]) }
            }
            _ => {
                let mut step = self.grow(name, tip(name), number);
                // A pack that is cut short, or damaged.
                let at = other * step.pack.len() / 4 + usize::from(number) % 50;
                match step.pack.get_mut(at) {
                    Some(byte) if number & 1 == 0 => *byte ^= 1 << (number >> 5),
                    _ => step.pack.truncate(at),
                }
                step
            }
        };
        self.push(&step, kind & 8 != 0, calls_left);
    }

    /// A push of a new commit on top of `parent`.
    fn grow(&self, name: usize, parent: Option<Oid>, number: u8) -> Step {
        let objects = small_commit(parent.as_ref(), usize::from(number));
        let old = self.refs.get(NAMES[name]).copied();
        Step { changes: vec![(name, old, Some(objects[0].oid))], pack: pack(&objects) }
    }

    fn push(&mut self, step: &Step, is_atomic: bool, calls_left: Option<usize>) {
        let mut changes: Vec<Change> =
            step.changes.iter().map(|(at, old, new)| (NAMES[*at], *old, *new)).collect();
        changes.dedup_by_key(|change| change.0);
        let mut body = push_body(&changes, &step.pack);
        if !is_atomic {
            let at = body.windows(7).position(|found| found == b" atomic").expect("it is asked");
            body[at..at + 7].copy_from_slice(b" agent=");
        }
        let answer = self.run("/git-receive-pack", &body, calls_left);
        let mut new = self.refs.clone();
        for (name, old, target) in &changes {
            let is_done = answer.as_deref().is_none_or(|text| has(text, &format!("ok {name}\n")));
            let is_current = self.refs.get(*name) == old.as_ref();
            assert!(answer.is_none() || !is_done || is_current, "{name} was moved by a wrong id");
            if is_done && is_current {
                match target {
                    Some(oid) => _ = new.insert(name.to_string(), *oid),
                    None => _ = new.remove(*name),
                }
            }
        }
        let found = self.found();
        match answer {
            Some(_) => assert!(found == new, "what was acknowledged"),
            None => assert!(found == self.refs || found == new || !is_atomic, "all or nothing"),
        }
        self.known.extend(found.values());
        self.refs = found;
        assert!(self.is_whole());
    }

    fn maintain(&mut self, calls_left: Option<usize>) {
        self.run("/-/maintain", b"", calls_left);
        assert!(self.found() == self.refs, "upkeep moves no ref");
        assert!(self.is_whole());
    }

    /// The answer, unless the host died.
    fn run(&mut self, path: &str, body: &[u8], calls_left: Option<usize>) -> Option<Vec<u8>> {
        let headers = [("content-type", "application/x-git-receive-pack-request")];
        let request = Request { time: self.time, ..request("POST", path, &headers) };
        let mut host = Mortal::new(std::mem::take(&mut self.host), calls_left);
        client::drive(&mut host, request, &[body]);
        let is_dead = host.is_dead();
        self.host = host.memory;
        let answer = std::mem::take(&mut self.host.output);
        (!is_dead).then_some(answer)
    }

    fn found(&self) -> Refs {
        let rows = self.host.rows.iter().filter(|(key, _)| key.starts_with(b"r/"));
        let read = |(key, value): (&Vec<u8>, &Vec<u8>)| {
            let name = String::from_utf8(key[2..].to_vec()).expect("one of ours");
            (name, Oid::from_bytes(Format::Sha1, &value[1..]).expect("an id"))
        };
        rows.map(read).collect()
    }

    fn is_whole(&mut self) -> bool {
        client::run(&mut self.host, request("GET", "/-/fsck", &[]), &[]).ends_with(b"\nok\n")
    }
}

fn has(text: &[u8], part: &str) -> bool {
    text.windows(part.len()).any(|found| found == part.as_bytes())
}
