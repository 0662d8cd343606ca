//! The house's rules about the source itself: who may use whom, and what is in no room.

use std::fs::read_to_string;
use std::path::{Path, PathBuf};

/// The rooms, lowest first, and the rooms that each may use. A new arrow is its own commit.
const ROOMS: &[(&str, &[&str])] = &[
    ("limits", &[]),
    ("error", &[]),
    ("sort", &[]),
    ("host", &[]),
    ("memory", &["host", "limits"]),
    ("hash", &["error", "limits"]),
    ("flate", &["error", "limits"]),
    ("object", &["error", "hash", "limits"]),
    ("pack", &["error", "flate", "hash", "limits", "object"]),
    ("store", &["error", "flate", "hash", "host", "limits", "object", "pack", "sort"]),
    // `pack` for the record of an object, as the store answers it.
    ("walk", &["error", "hash", "limits", "object", "pack", "sort", "store"]),
    ("wire", &["error", "hash", "limits"]),
    (
        "serve",
        &[
            "error", "flate", "hash", "host", "limits", "object", "pack", "sort", "store", "walk",
            "wire",
        ],
    ),
    ("query", &["error", "hash", "limits", "object", "pack", "sort", "store", "walk"]),
    ("gc", &["error", "hash", "limits", "object", "pack", "sort", "store", "walk"]),
    ("engine", &["error", "gc", "host", "limits", "query", "serve", "store"]),
    ("abi", &["engine", "error", "host"]),
];

/// What is nowhere in the engine's own code, and why.
const ABSENT: &[(&str, &str)] = &[
    ("std::", "the engine is no_std"),
    ("format!", "a formatter costs 4 KB: write digits by hand"),
    ("write!", "a formatter costs 4 KB: write digits by hand"),
    ("derive(Debug", "derive it under cfg_attr(not(target_arch = \"wasm32\"))"),
    ("async ", "the engine is called, it does not wait"),
    ("todo!", "no stub is landed"),
    ("unimplemented!", "no stub is landed"),
    ("dbg!", "it is for the desk"),
    ("BTreeMap", "it costs 8 KB a key type: a sorted Vec first"),
    (".sort(", "each copy of the library's sort costs up to 14 KB: `sort` has one"),
    (".sort_", "each copy of the library's sort costs up to 14 KB: `sort` has one"),
    ("TODO", "it is an issue, or it is done"),
    ("FIXME", "it is an issue, or it is done"),
];

const LINES_MAX: usize = 500;

struct File {
    room: String,
    name: String,
    text: String,
}

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

fn collect(folder: &Path, files: &mut Vec<File>) {
    for entry in std::fs::read_dir(folder).expect("the folder is there") {
        let path = entry.expect("it can be read").path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            let name = path.strip_prefix(source()).expect("it is inside").display().to_string();
            let room = name.split(['/', '.']).next().expect("a name has a part").to_string();
            files.push(File { room, name, text: read_to_string(&path).expect("it is text") });
        }
    }
}

fn files() -> Vec<File> {
    let mut files = Vec::new();
    collect(&source(), &mut files);
    assert!(files.len() > 10);
    files
}

/// The code that becomes the module: no tests, no comments.
fn code(file: &File) -> impl Iterator<Item = (usize, &str)> {
    let is_test = file.name.ends_with("tests.rs") || file.room == "memory";
    let end = if is_test { 0 } else { usize::MAX };
    let lines = file.text.lines().enumerate().take(end);
    lines
        .take_while(|(_, line)| line.trim() != "#[cfg(test)]")
        .filter(|(_, line)| !line.trim_start().starts_with("//"))
        .map(|(at, line)| (at + 1, line))
}

/// Fails with all that is wrong, a line each.
fn check(wrong: &[String]) {
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn rooms_use_only_the_rooms_below_them() {
    let mut wrong = Vec::new();
    for file in files().iter().filter(|file| file.room != "lib") {
        let Some((_, allowed)) = ROOMS.iter().find(|(room, _)| *room == file.room) else {
            wrong.push(format!("{}: the room is not in the table", file.name));
            continue;
        };
        for (at, line) in code(file) {
            for rest in line.split("crate::").skip(1) {
                let used: String = rest.chars().take_while(|c| c.is_alphanumeric()).collect();
                if used != file.room && !allowed.contains(&used.as_str()) {
                    wrong.push(format!("{}:{at}: {} may not use {used}", file.name, file.room));
                }
            }
        }
    }
    check(&wrong);
}

#[test]
fn the_table_has_no_arrow_upwards() {
    for (at, (room, allowed)) in ROOMS.iter().enumerate() {
        for used in *allowed {
            let below = ROOMS[..at].iter().any(|(lower, _)| lower == used);
            assert!(below, "{room} uses {used}, which is not below it");
        }
    }
}

#[test]
fn what_the_engine_does_without_is_absent() {
    let mut wrong = Vec::new();
    for file in &files() {
        for (at, line) in code(file) {
            for (word, why) in ABSENT {
                if line.contains(word) && !line.contains("cfg_attr") {
                    wrong.push(format!("{}:{at}: {word} ({why})", file.name));
                }
            }
        }
    }
    check(&wrong);
}

#[test]
fn unsafe_is_in_one_room_and_every_block_says_why() {
    let mut wrong = Vec::new();
    for file in &files() {
        let lines: Vec<&str> = file.text.lines().collect();
        for (at, line) in code(file) {
            let is_unsafe = line.contains("unsafe {") || line.contains("unsafe impl");
            if !is_unsafe || line.contains("extern \"C\"") {
                continue;
            }
            let before = &lines[at.saturating_sub(8)..at];
            if file.room != "abi" {
                wrong.push(format!("{}:{at}: unsafe outside abi", file.name));
            } else if !before.iter().any(|line| line.contains("SAFETY:")) {
                wrong.push(format!("{}:{at}: unsafe without a SAFETY comment", file.name));
            }
        }
    }
    check(&wrong);
}

#[test]
fn files_say_what_they_are_and_are_not_long() {
    let mut wrong = Vec::new();
    for file in &files() {
        if !file.text.starts_with("//!") {
            wrong.push(format!("{}: the first line is not //!", file.name));
        }
        let count = file.text.lines().count();
        if count > LINES_MAX {
            wrong.push(format!("{}: {count} lines, more than {LINES_MAX}", file.name));
        }
    }
    check(&wrong);
}
