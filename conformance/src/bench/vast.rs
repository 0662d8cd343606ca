//! A history of a million objects, from a seed: `git fast-import` makes it within a minute, and its
//! pack is served as it is, since to pack it anew would take many.

use crate::fixture::Seed;
use crate::git::{git, run, run_with};
use anyhow::Result;
use std::fmt::Write;
use std::path::Path;

/// A change of what is made here makes it anew.
pub const GENERATOR: &str = include_str!("vast.rs");

/// Each is of one file two folders deep: five objects.
const COMMITS: usize = 200_000;
/// Folders in the root, and in each of them; files in each of those.
const FOLDERS: usize = 20;
const FILES: usize = 25;
/// The longest chain of deltas. Those of fast-import lie far apart, and git would not pack so: as
/// long as its default, 50, all of them together are more than any server's caches hold.
const DEPTH: &str = "--depth=10";

/// All of it on the branch `main`.
pub fn make(folder: &Path) -> Result<()> {
    run(git(folder, &["init", "--quiet", "--bare", "-b", "main"]))?;
    let (mut seed, mut stream) = (Seed(1_000_000), String::new());
    for number in 0..COMMITS {
        let (outer, inner) = (seed.below(FOLDERS), seed.below(FOLDERS));
        let file = seed.below(FILES);
        let content = format!("// change {number}\n{}{}", seed.line(), seed.line());
        let (date, message) = (1_500_000_000 + 60 * number, format!("change {number}\n"));
        write!(
            stream,
            "commit refs/heads/main\ncommitter Ada <ada@example.org> {date} +0000\n\
             data {}\n{message}M 100644 inline room{outer}/part{inner}/file{file}.rs\n\
             data {}\n{content}\n",
            message.len(),
            content.len()
        )?;
    }
    let words = ["-c", "core.compression=1", "fast-import", "--quiet", "--force", DEPTH];
    run_with(git(folder, &words), stream.as_bytes())?;
    Ok(())
}
