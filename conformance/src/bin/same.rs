//! `same [WORD]`: sends the requests of all cases to the native host and to workerd, each on its
//! own copy of the case's repository, and tells where answers are not the same byte for byte. The
//! session's id alone may differ.

use anyhow::{Context, Result, ensure};
use conformance::case::{Case, escape};
use conformance::fixture::Fixtures;
use conformance::http::Answer;
use conformance::target::{Kind, Target};
use conformance::{run, target_folder};
use std::path::{Path, PathBuf};

/// What a host says itself, in words of its own. A Worker sees a URL whose dots are resolved.
const OWN: &[&str] = &["http/no-repository", "http/escape-encoded"];
/// Headers that say what the answer is; others belong to the connection or to one host.
const HEADERS: &[&str] = &["content-type", "cache-control", "expires", "pragma", "allow"];

fn main() -> Result<()> {
    let word = std::env::args().nth(1).unwrap_or_default();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("cases");
    let mut paths = Vec::new();
    collect(&root, &mut paths)?;
    paths.sort();
    let scratch = target_folder().join(format!("conformance/same-{}", std::process::id()));
    std::fs::create_dir_all(&scratch)?;
    let targets = [Target::start(Kind::Native, &scratch)?, Target::start(Kind::Workers, &scratch)?];
    let fixtures = Fixtures::new(&target_folder().join("conformance"))?;
    let (mut same, mut failed) = (0, 0);
    for path in paths {
        let name = path.strip_prefix(&root)?.with_extension("").display().to_string();
        if !name.contains(&word) || OWN.contains(&&*name) {
            continue;
        }
        let case = Case::parse(&name, &std::fs::read_to_string(&path)?)?;
        match compare(&case, &targets, &fixtures) {
            Ok(count) => same += count,
            Err(error) => {
                failed += 1;
                println!("FAILED {name}\n{error:#}\n");
            }
        }
    }
    println!("{same} answers are the same, {failed} cases differ");
    drop(targets);
    ensure!(failed == 0, "native and workers differ: see {}", scratch.display());
    std::fs::remove_dir_all(&scratch)?;
    Ok(())
}

fn collect(folder: &Path, paths: &mut Vec<PathBuf>) -> Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, paths)?;
        } else if path.extension().is_some_and(|ending| ending == "case") {
            paths.push(path);
        }
    }
    Ok(())
}

/// How many answers there were.
fn compare(case: &Case, targets: &[Target; 2], fixtures: &Fixtures) -> Result<usize> {
    let fixture = fixtures.get(&case.fixture)?;
    let paths = [targets[0].fill(&fixture)?, targets[1].fill(&fixture)?];
    for exchange in &case.exchanges {
        let send = |at: usize| run::send(exchange, &fixture, &targets[at], &paths[at]);
        let (native, workers) = (send(0)?, send(1)?);
        check(&native, &workers)
            .with_context(|| format!("{} {}", exchange.method, exchange.path))?;
    }
    Ok(case.exchanges.len())
}

fn check(native: &Answer, workers: &Answer) -> Result<()> {
    let shown = |answer: &Answer| escape(&answer.body[..answer.body.len().min(400)]);
    ensure!(native.status == workers.status, "{} and {}", native.status, workers.status);
    for name in HEADERS {
        let found = (native.head.header(name), workers.head.header(name));
        ensure!(found.0 == found.1, "{name}: {found:?}");
    }
    let is_same = anonymous(&native.body) == anonymous(&workers.body);
    ensure!(is_same, "\n{}\n{}", shown(native), shown(workers));
    Ok(())
}

/// The body without session ids, and without the sizes of the lines that hold them.
fn anonymous(body: &[u8]) -> Vec<u8> {
    const WORD: &[u8] = b"session-id=";
    let (mut rest, mut out) = (body, Vec::new());
    while let Some(size) = size(rest) {
        let (line, after) = rest.split_at(size);
        match line.windows(WORD.len()).position(|window| window == WORD) {
            Some(at) => {
                let is_id = |byte: &&u8| byte.is_ascii_alphanumeric() || **byte == b'-';
                let start = at + WORD.len();
                let end = start + line[start..].iter().take_while(is_id).count();
                out.extend([&line[4..start], &line[end..]].concat());
            }
            None => out.extend(line),
        }
        rest = after;
    }
    out.extend(rest);
    out
}

/// Of the pkt-line at the start, if there is one.
fn size(bytes: &[u8]) -> Option<usize> {
    let digits = std::str::from_utf8(bytes.get(..4)?).ok()?;
    let size = usize::from_str_radix(digits, 16).ok()?.max(4);
    (size <= bytes.len()).then_some(size)
}
