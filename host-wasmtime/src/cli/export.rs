//! `gitcell export`.

use super::Common;
use crate::names::Name;
use anyhow::{Context, Result, ensure};
use clap::Args;
use std::fs::{File, Permissions};
use std::io::{BufWriter, IsTerminal, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

#[derive(Args)]
pub struct Export {
    /// NAMESPACE/NAME
    name: Name,
    /// The file to write, instead of standard output: `git clone FILE` then clones from it
    #[arg(value_name = "FILE")]
    output: Option<PathBuf>,
}

impl Export {
    pub fn run(self, common: &Common) -> Result<()> {
        let name = &self.name;
        let cell = common.open()?;
        let file = cell.find(name)?.with_context(|| format!("there is no repository {name}"))?;
        let write = |out: &mut dyn Write| {
            cell.ask_into(&file, "GET", "/-/bundle", "", out)?;
            out.flush().context("cannot write the bundle")
        };
        let context = || format!("cannot export {name}");
        let Some(output) = self.output else {
            let out = std::io::stdout();
            ensure!(!out.is_terminal(), "a bundle is no text: name a file after the repository");
            return write(&mut BufWriter::new(out)).with_context(context);
        };
        // Written beside its place: a bundle that is there is whole.
        let folder = output.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.unwrap_or(Path::new("."));
        let mut part = tempfile::Builder::new()
            .permissions(Permissions::from_mode(0o666))
            .tempfile_in(folder)
            .with_context(|| format!("cannot write {}", output.display()))?;
        write(&mut BufWriter::new(part.as_file_mut())).with_context(context)?;
        let context = || format!("cannot write {}", output.display());
        // It may be the only copy from here on: a power cut must not take it.
        part.as_file().sync_all().with_context(context)?;
        part.persist(&output).with_context(context)?;
        File::open(folder).and_then(|folder| folder.sync_all()).with_context(context)
    }
}
