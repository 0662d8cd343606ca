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
    /// Tell of its pushes: who, when, which refs, options and certificates
    Log {
        name: Name,
        /// Only of those behind this number
        #[arg(long, value_name = "NUMBER")]
        after: Option<u64>,
        /// Of so many at most
        #[arg(long, value_name = "COUNT")]
        limit: Option<u64>,
    },
    /// Show or change a repository's settings, which have git's names
    Config {
        name: Name,
        /// Which: `receive.denyDeletes`; without one, all that are set are shown
        key: Option<String>,
        /// What it shall be; without one, its values are shown
        value: Option<String>,
        /// Keep the values that it has beside this one
        #[arg(long, requires = "value")]
        add: bool,
        /// Take its values away
        #[arg(long, requires = "key", conflicts_with = "value")]
        unset: bool,
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
                let query = format!("branch={}", encode(&branch));
                ask(common, &name, "POST", "/-/head", &query)
                    .with_context(|| format!("cannot set the default branch of {name}"))?;
                println!("{name}: HEAD names {branch}");
            }
            Repo::Log { name, after, limit } => {
                let mut query = String::new();
                for (word, number) in [("after", after), ("limit", limit)] {
                    query.extend(number.map(|number| format!("{word}={number}&")));
                }
                let cell = common.open()?;
                let file = cell.find(&name)?.with_context(|| format!("no repository {name}"))?;
                cell.ask_into(&file, "GET", "/-/log", &query, &mut std::io::stdout())
                    .with_context(|| format!("cannot read the log of {name}"))?;
            }
            Repo::Config { name, key, value, add, unset } => {
                let mut query = String::new();
                for (word, text) in [("key", &key), ("value", &value)] {
                    if let Some(text) = text {
                        query.push_str(&format!("{word}={}&", encode(text)));
                    }
                }
                query.push_str(if add { "add=true" } else { "" });
                let method = if value.is_some() || unset { "PUT" } else { "GET" };
                let text = ask(common, &name, method, "/-/config", &query)
                    .with_context(|| format!("cannot do that to the settings of {name}"))?;
                print!("{text}");
            }
        }
        Ok(())
    }
}

/// Asks the engine of a repository.
fn ask(common: &Common, name: &Name, method: &str, path: &str, query: &str) -> Result<String> {
    let cell = common.open()?;
    let file = cell.find(name)?.with_context(|| format!("there is no repository {name}"))?;
    cell.ask(&file, method, path, query)
}
