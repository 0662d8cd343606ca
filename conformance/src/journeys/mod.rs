//! Journeys: a day's work with real git, against a server.

use crate::fixture::Fixtures;
use crate::target::Target;
use anyhow::Result;
use std::path::Path;

pub struct Journey {
    pub name: &'static str,
    /// Runs in a folder of its own; answers why it was skipped, if it was.
    pub run: fn(&Target, &Fixtures, &Path) -> Result<Option<String>>,
}

pub const JOURNEYS: &[Journey] = &[];
