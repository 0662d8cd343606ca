//! `gitcell fsck`.

use super::Common;
use crate::names::Name;
use anyhow::{Context, Result, ensure};
use clap::Args;

#[derive(Args)]
pub struct Fsck {
    /// NAMESPACE/NAME
    name: Name,
}

impl Fsck {
    pub fn run(self, common: &Common) -> Result<()> {
        let name = &self.name;
        let cell = common.open()?;
        let file = cell.find(name)?.with_context(|| format!("there is no repository {name}"))?;
        let text = cell
            .ask(&file, "GET", "/-/fsck", "")
            .with_context(|| format!("cannot check {name}"))?;
        print!("{text}");
        ensure!(text.lines().last() == Some("ok"), "{name} is damaged");
        Ok(())
    }
}
