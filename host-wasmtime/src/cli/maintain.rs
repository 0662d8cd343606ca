//! `gitcell maintain`.

use super::Common;
use crate::names::Name;
use crate::registry;
use crate::upkeep::{Outcome, maintain};
use anyhow::{Context, Result};
use clap::Args;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How often it is asked whether another process has ended.
const PAUSE: Duration = Duration::from_millis(200);

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
            let mut is_told = false;
            let context = || format!("cannot maintain {name}");
            while let Outcome::Busy(who) = maintain(&cell, &file, &query).with_context(context)? {
                if !is_told {
                    eprintln!("{name}: {who} maintains it; waiting for its end");
                    is_told = true;
                }
                sleep(PAUSE);
            }
            println!("{name}: {} ms", begin.elapsed().as_millis());
        }
        Ok(())
    }
}
