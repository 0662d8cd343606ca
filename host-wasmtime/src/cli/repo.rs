//! `gitcell repo`.

use super::Common;
use crate::cell::encode;
use crate::names::Name;
use crate::registry;
use anyhow::{Context, Result};
use clap::{Subcommand, ValueEnum};

#[derive(Subcommand)]
pub enum Repo {
    /// Create an empty repository
    Create {
        /// NAMESPACE/NAME: letters, digits, `.`, `_` and `-`
        name: Name,
        /// The branch that HEAD names
        #[arg(long, default_value = "main", value_name = "BRANCH")]
        default_branch: String,
        /// The hash function of object ids
        #[arg(long, default_value = "sha1", value_name = "FORMAT")]
        object_format: Format,
    },
    /// List all repositories
    List,
    /// Delete a repository and everything in it
    Delete { name: Name },
    /// Make HEAD name another branch: what a clone checks out
    SetHead {
        name: Name,
        /// The branch, without `refs/heads/`
        branch: String,
    },
}

#[derive(Clone, Copy, ValueEnum)]
pub enum Format {
    Sha1,
    Sha256,
}

impl Repo {
    pub fn run(self, common: &Common) -> Result<()> {
        match self {
            Repo::Create { name, default_branch, object_format } => {
                let format = match object_format {
                    Format::Sha1 => "sha1",
                    Format::Sha256 => "sha256",
                };
                common.open()?.create(&name, format, &default_branch)?;
                println!("created {name}");
            }
            Repo::List => {
                for name in registry::list(&registry::open(&common.data)?)? {
                    println!("{name}");
                }
            }
            Repo::Delete { name } => {
                common.open()?.delete(&name)?;
                println!("deleted {name}");
            }
            Repo::SetHead { name, branch } => {
                let cell = common.open()?;
                let file = cell.find(&name)?;
                let file = file.with_context(|| format!("there is no repository {name}"))?;
                let query = format!("branch={}", encode(&branch));
                cell.ask(&file, "POST", "/-/head", &query)
                    .with_context(|| format!("cannot set the default branch of {name}"))?;
                println!("{name}: HEAD names {branch}");
            }
        }
        Ok(())
    }
}
