//! Replays the corpus, and inputs made of it, on the ordinary compiler.

use fuzz::TARGETS;
use std::path::{Path, PathBuf};

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let list = std::fs::read_dir(folder).unwrap_or_else(|_| panic!("no {}", folder.display()));
    let mut files: Vec<PathBuf> = list.map(|entry| entry.expect("it can be read").path()).collect();
    files.sort();
    files
}

/// Every input of a target's corpus, by its name.
fn corpus(target: &str) -> Vec<(String, Vec<u8>)> {
    let read =
        |path: PathBuf| (path.display().to_string(), std::fs::read(&path).expect("it can be read"));
    files(&folder("corpus").join(target)).into_iter().map(read).collect()
}

#[test]
fn the_corpus_holds() {
    for (name, property) in TARGETS {
        let inputs = corpus(name);
        assert!(inputs.len() >= 3, "{name} has a corpus");
        for (path, input) in inputs {
            println!("{path}");
            property(&input);
        }
    }
}

/// Each input cut short, and with a byte changed at some places: the same ones each time.
#[test]
fn what_is_near_the_corpus_holds() {
    for (name, property) in TARGETS {
        let mut state = 1u32;
        for (path, input) in corpus(name) {
            println!("{path}");
            for _ in 0..20 {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let mut near = input.clone();
                let Some(at) = (state as usize >> 8).checked_rem(near.len()) else { continue };
                near[at] ^= 1 << (state >> 29);
                property(&near);
                property(&input[..at]);
            }
        }
    }
}

#[test]
fn every_property_is_a_target() {
    let name = |path: &PathBuf| path.file_stem().expect("a name").display().to_string();
    let mut targets: Vec<PathBuf> = files(&folder("fuzz_targets"));
    targets.retain(|path| path.extension().is_some_and(|ending| ending == "rs"));
    let targets: Vec<String> = targets.iter().map(name).collect();
    let names: Vec<&str> = TARGETS.iter().map(|target| target.0).collect();
    assert_eq!(targets, names);
    let folders: Vec<String> = files(&folder("corpus")).iter().map(name).collect();
    assert_eq!(folders, names);
}
