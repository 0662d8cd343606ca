//! `gitcell maintain`.

use super::Common;
use crate::names::Name;
use crate::registry;
use anyhow::{Context, Result};
use clap::Args;
use std::time::Instant;

#[derive(Args)]
pub struct Maintain {
    /// NAMESPACE/NAME; none: all repositories
    names: Vec<Name>,
    /// Drop what no ref has reached for so many seconds; two weeks if nothing is said
    #[arg(long, value_name = "SECONDS")]
    prune: Option<u64>,
}

impl Maintain {
    pub fn run(self, common: &Common) -> Result<()> {
        let cell = common.open()?;
        let names = match self.names.is_empty() {
            true => registry::list(&cell.registry())?,
            false => self.names,
        };
        let prune = self.prune.map_or(String::new(), |age| format!("&prune={age}"));
        let query = format!("thorough=1{prune}");
        for name in names {
            let file =
                cell.find(&name)?.with_context(|| format!("there is no repository {name}"))?;
            let begin = Instant::now();
            cell.ask(&file, "POST", "/-/maintain", &query)
                .with_context(|| format!("cannot maintain {name}"))?;
            println!("{name}: {} ms", begin.elapsed().as_millis());
        }
        Ok(())
    }
}
