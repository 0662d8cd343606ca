//! What samples come to: medians, and ratios pair by pair. Knows no server.

use super::measure::Sample;
use super::server::Cost;
use super::shapes::{Class, Shape};
use crate::target::Kind;

/// An operation on a history: its samples by round, for each side. A side may have had fewer
/// rounds than git's.
pub struct Row {
    pub history: String,
    pub class: Class,
    pub commits: usize,
    pub objects: usize,
    /// Bytes of the history's pack, as git makes it.
    pub pack: u64,
    /// Refs beside the main branch: a row each.
    pub refs: u64,
    pub operation: &'static str,
    pub sides: Vec<(Kind, Vec<Sample>)>,
}

/// Which of a sample's times.
pub type Of = fn(&Sample) -> f64;

pub fn wall(sample: &Sample) -> f64 {
    sample.wall
}

pub fn cpu(sample: &Sample) -> f64 {
    sample.cpu
}

pub fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => None,
        count if count % 2 == 1 => Some(values[count / 2]),
        count => Some(f64::midpoint(values[count / 2 - 1], values[count / 2])),
    }
}

impl Row {
    pub fn new(shape: &Shape, operation: &'static str, kinds: &[Kind]) -> Row {
        Row {
            history: shape.name.clone(),
            class: shape.class,
            commits: shape.commits,
            objects: shape.objects,
            pack: shape.pack,
            refs: shape.refs,
            operation,
            sides: kinds.iter().map(|kind| (*kind, Vec::new())).collect(),
        }
    }

    fn samples(&self, side: Kind) -> &[Sample] {
        let side = self.sides.iter().find(|(kind, _)| *kind == side);
        side.map(|(_, samples)| samples.as_slice()).unwrap_or_default()
    }

    pub fn rounds(&self) -> usize {
        self.samples(Kind::Git).len()
    }

    pub fn median_of(&self, side: Kind, of: Of) -> Option<f64> {
        median(self.samples(side).iter().map(of).collect())
    }

    /// The median of what a side took divided by what another took in the same round. A clock that
    /// stood still in some round says nothing of that one.
    pub fn ratio(&self, side: Kind, to: Kind, of: Of) -> Option<f64> {
        let pairs = self.samples(to).iter().zip(self.samples(side));
        let pairs = pairs.filter(|(to, _)| of(to) > 0.0);
        median(pairs.map(|(to, own)| of(own) / of(to)).collect())
    }

    /// The last round's.
    pub fn cost(&self, side: Kind) -> Option<Cost> {
        self.samples(side).iter().rev().find_map(|sample| sample.cost)
    }
}
