//! The house's rules about the source itself: who may use whom, what is in no room, and no long
//! files.

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

/// What a host does not know: it routes URLs, and holds rows.
const GIT_WORDS: &[&str] = &[
    "refs/",
    "refname",
    "symref",
    "packfile",
    "pkt-line",
    "pkt_line",
    "sideband",
    "side-band",
    "upload-pack",
    "receive-pack",
    "ls-refs",
    "git-protocol",
    "sha1",
    "delta",
];

/// Where a host may say such a word, and why.
const SAID: &[(&str, &[&str])] = &[
    // The suffixes that are routed: which of them write decides who may.
    ("host-wasmtime/src/server.rs", &["refs/", "refs\"", "receive-pack", "sha1"]),
    ("host-wasmtime/src/names.rs", &["info/refs"]),
    // The commands that SSH runs, and its variable, which is a header of HTTP.
    ("host-wasmtime/src/ssh/talk.rs", &["upload-pack", "receive-pack", "git-protocol"]),
    ("host-workers/src/index.ts", &["receive-pack"]),
    // What people type. `import` is a user of the user's own git.
    ("host-wasmtime/src/cli/repo.rs", &["refs/", "sha1"]),
    ("host-wasmtime/src/cli/serve.rs", &["sha1"]),
    ("host-wasmtime/src/rules.rs", &["refs/"]),
    ("host-workers/src/house.ts", &["refs/"]),
    ("host-wasmtime/src/cli/import.rs", &["refs/", "refname"]),
];

const LINES_MAX: usize = 500;
/// Beyond it a file is named when the test is watched (`--nocapture`).
const LINES_USUAL: usize = 300;
const FUNCTION_LINES_MAX: usize = 70;
const COLUMNS_MAX: usize = 100;

struct File {
    room: String,
    name: String,
    text: String,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").to_path_buf()
}

/// All files in a folder with one of these endings; what tools wrote is not ours.
fn collect(folder: &Path, endings: &[&str], files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("the folder is there") {
        let path = entry.expect("it can be read").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() {
            let is_ours = !["target", "node_modules", "dist", "data", ".git", ".wrangler"]
                .contains(&name.as_str());
            if is_ours {
                collect(&path, endings, files);
            }
        } else if endings.iter().any(|ending| name.ends_with(ending)) {
            files.push(path);
        }
    }
}

/// The files below a folder of the project, by their names in it.
fn files_in(folder: &Path, endings: &[&str]) -> Vec<File> {
    let mut paths = Vec::new();
    collect(folder, endings, &mut paths);
    let read = |path: PathBuf| {
        let name = path.strip_prefix(folder).expect("it is inside").display().to_string();
        let room = name.split(['/', '.']).next().unwrap_or_default().to_string();
        File { room, name, text: read_to_string(&path).expect("it is text") }
    };
    paths.into_iter().map(read).collect()
}

/// The engine's own files.
fn files() -> Vec<File> {
    let files = files_in(&root().join("engine/src"), &[".rs"]);
    assert!(files.len() > 10);
    files
}

/// The code that becomes the module, with its line numbers: no tests, no comments.
fn code(file: &File) -> Vec<(usize, &str)> {
    if file.name.ends_with("tests.rs") || file.room == "memory" {
        return Vec::new();
    }
    let lines: Vec<&str> = file.text.lines().collect();
    let is_tests = |pair: &[&str]| {
        pair[0] == "#[cfg(test)]" && pair[1].starts_with("mod ") && pair[1].ends_with('{')
    };
    let end = lines.windows(2).position(is_tests).unwrap_or(lines.len());
    let numbered = lines[..end].iter().enumerate().map(|(at, line)| (at + 1, *line));
    numbered.filter(|(_, line)| !line.trim_start().starts_with("//")).collect()
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
fn only_store_names_keys_and_only_engine_emits() {
    let mut wrong = Vec::new();
    for file in &files() {
        for (at, line) in code(file) {
            if file.room != "store" && line.contains("keys::") {
                wrong.push(format!("{}:{at}: only store names keys", file.name));
            }
            // `store` hands on what `engine` emits; nobody else calls that.
            let is_handed_on = file.room == "store" && line.contains("self.host.emit(bytes)");
            if line.contains(".emit(") && file.room != "engine" && !is_handed_on {
                wrong.push(format!("{}:{at}: only engine emits", file.name));
            }
        }
    }
    check(&wrong);
}

#[test]
fn hosts_have_no_word_of_git() {
    let mut wrong = Vec::new();
    for file in files_in(&root(), &[".rs", ".ts"]) {
        if !file.name.starts_with("host-") || !file.name.contains("/src/") {
            continue;
        }
        let said = SAID.iter().find(|(name, _)| *name == file.name).map_or(&[][..], |said| said.1);
        for (at, line) in code(&file) {
            let line = line.to_lowercase();
            for word in GIT_WORDS {
                if line.contains(word) && !said.iter().any(|allowed| line.contains(allowed)) {
                    wrong.push(format!("{}:{at}: {word} is the engine's matter", file.name));
                }
            }
        }
    }
    check(&wrong);
}

#[test]
fn files_say_what_they_are_and_are_not_long() {
    let mut wrong = Vec::new();
    for file in files_in(&root(), &[".rs"]) {
        if !file.text.starts_with("//!") {
            wrong.push(format!("{}: the first line is not //!", file.name));
        }
        let count = file.text.lines().count();
        if count > LINES_MAX {
            wrong.push(format!("{}: {count} lines, more than {LINES_MAX}", file.name));
        } else if count > LINES_USUAL {
            println!("{}: {count} lines; most have at most {LINES_USUAL}", file.name);
        }
        for (at, line) in file.text.lines().enumerate() {
            // A text is not cut for its length.
            let is_text = line.trim_start().starts_with(['"', '#', 'r']) && line.contains('"');
            if line.chars().count() > COLUMNS_MAX && !is_text {
                wrong.push(format!("{}:{}: more than {COLUMNS_MAX} columns", file.name, at + 1));
            }
        }
    }
    check(&wrong);
}

/// The lines that a function takes, if one starts here: up to the brace under its first letter.
fn function_lines(lines: &[&str]) -> Option<usize> {
    let first = lines.first()?;
    let words = first.trim_start();
    let indent = &first[..first.len() - words.len()];
    let before = words.split_once("fn ")?.0;
    let is_function = before.split(' ').all(|word| {
        ["", "const", "async", "unsafe", "extern", "\"C\""].contains(&word)
            || word.starts_with("pub")
    });
    let is_end = |line: &&str| {
        let rest = line.strip_prefix(indent);
        rest.is_some_and(|rest| rest == "}" || rest.ends_with(';') && !rest.starts_with(' '))
    };
    let size = lines.iter().position(is_end)? + 1;
    is_function.then_some(size)
}

#[test]
fn functions_are_not_long() {
    let mut wrong = Vec::new();
    for file in files_in(&root(), &[".rs"]) {
        let lines: Vec<&str> = file.text.lines().collect();
        for at in 0..lines.len() {
            let Some(size) = function_lines(&lines[at..]) else { continue };
            if size > FUNCTION_LINES_MAX {
                wrong.push(format!("{}:{}: a function of {size} lines", file.name, at + 1));
            }
        }
    }
    check(&wrong);
}

/// The project speaks of itself alone: not of the machine that it was written on.
#[test]
fn no_file_names_the_folder_that_it_lies_in() {
    let root = root();
    let folder = root.display().to_string();
    let endings = [".rs", ".ts", ".md", ".toml", ".json", ".sh", ".yml", ".wit", "Makefile", "run"];
    let files = files_in(&root, &endings);
    let wrong = files.iter().filter(|file| file.text.contains(&folder));
    check(&wrong.map(|file| format!("{}: {folder}", file.name)).collect::<Vec<_>>());
}

/// Files in which secrets are judged, the one function that compares them there, and what would
/// compare them otherwise.
const SECRETS: &[(&str, &str, &[&str])] = &[
    ("host-wasmtime/src/tokens.rs", ".ct_eq(", &["hash ==", "== hash", "hash !=", "!= hash"]),
    (
        "host-workers/src/tokens.ts",
        ".timingSafeEqual(",
        &["hash ==", "== hash", "hash !=", "!= hash", "== env.ADMIN", "ADMIN_TOKEN =="],
    ),
];

#[test]
fn secrets_are_compared_in_constant_time_and_in_one_place() {
    for (file, by, others) in SECRETS {
        let text = read_to_string(root().join(file)).expect("it is there");
        assert_eq!(text.matches(by).count(), 1, "{file}: {by}");
        for other in *others {
            assert!(!text.contains(other), "{file}: {other}");
        }
    }
}
