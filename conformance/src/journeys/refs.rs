//! 100,000 refs in one push, and as many moved, deleted and refused in the next. Raw pkt-lines:
//! `git push` would spend its time on its own side.

use super::Trip;
use crate::git::text;
use crate::http::send;
use crate::target::Kind;
use anyhow::{Context, Result, ensure};
use std::collections::BTreeMap;

/// Git's own server takes minutes for more.
const COUNT_GIT: usize = 2_000;
const COUNT: usize = 100_000;
/// A pack without objects.
const EMPTY: &[u8] = b"PACK\0\0\0\x02\0\0\0\0\x02\x9d\x08\x82\x3b\xd8\xa8\xea\xb5\x10\xad\x6a\xc7\
    \x5c\x82\x3c\xfd\x3e\xd3\x1e";
const ZERO: &str = "0000000000000000000000000000000000000000";

type Refs = BTreeMap<String, String>;

/// Creates, then moves and deletes; what is listed afterwards is what was asked for, each time.
pub fn many(trip: &Trip<'_>) -> Result<Option<String>> {
    let path = trip.target.create("many-refs", "refs/heads/main")?;
    trip.start("work", &trip.target.url(&path))?;
    trip.save("work", "second --allow-empty")?;
    trip.git("work", "push --quiet origin HEAD:refs/heads/main")?;
    let [old, new] = ["HEAD~1", "HEAD"].map(|name| trip.git("work", &format!("rev-parse {name}")));
    let (old, new) = (old?, new?);
    let count = if trip.target.kind == Kind::Git { COUNT_GIT } else { COUNT };
    let name = |number: usize| format!("refs/heads/topic/{:02}/{number:06}", number % 97);

    let mut refs: Refs = (0..count).map(|number| (name(number), old.clone())).collect();
    let created: Vec<_> = refs.iter().map(|(name, id)| (ZERO, id.as_str(), name.clone())).collect();
    push(trip, &path, &created, 0).context("the first push")?;
    refs.insert("refs/heads/main".into(), new.clone());
    listed(trip, &refs).context("after the first push")?;

    // Of four one is moved, one is deleted, one is not what the client says, and one stays; and
    // there is a new one for each that stays.
    let mut changes = Vec::new();
    for number in 0..count {
        match number % 4 {
            0 => changes.push((old.as_str(), new.as_str(), name(number))),
            1 => changes.push((old.as_str(), ZERO, name(number))),
            2 => changes.push((new.as_str(), ZERO, name(number))),
            _ => changes.push((ZERO, old.as_str(), format!("{}-new", name(number)))),
        }
    }
    for (at, (_, id, name)) in changes.iter().enumerate().filter(|(at, _)| at % 4 != 2) {
        match at % 4 {
            1 => _ = refs.remove(name),
            _ => _ = refs.insert(name.clone(), id.to_string()),
        }
    }
    push(trip, &path, &changes, count / 4).context("the second push")?;
    listed(trip, &refs).context("after the second push")?;
    if trip.target.kind != Kind::Git {
        let log = trip.target.log(&path, None)?;
        ensure!(log.matches(" refs/heads/topic/").count() == count + 3 * count / 4, "the log");
    }
    Ok(None)
}

/// Pushes these at once; so many are refused.
fn push(
    trip: &Trip<'_>,
    path: &str,
    changes: &[(&str, &str, String)],
    refused: usize,
) -> Result<()> {
    let mut body = Vec::new();
    let mut list = "\0report-status";
    for (old, new, name) in changes {
        let line = format!("{old} {new} {name}{}", std::mem::take(&mut list));
        body.extend(format!("{:04x}{line}", line.len() + 4).bytes());
    }
    body.extend(b"0000");
    body.extend(EMPTY);
    let headers = [("Content-Type".into(), "application/x-git-receive-pack-request".into())];
    let url = format!("{path}/git-receive-pack");
    let answer = send(trip.target.address(), "POST", &url, &headers, &body)?;
    let report = String::from_utf8_lossy(&answer.body);
    let count = |word: &str| report.matches(word).count();
    let found = (answer.status, count("unpack ok"), count("ok refs/"), count("ng refs/"));
    let start: String = report.chars().take(300).collect();
    ensure!(found == (200, 1, changes.len() - refused, refused), "{found:?}: {start}");
    Ok(())
}

fn listed(trip: &Trip<'_>, refs: &Refs) -> Result<()> {
    let found = text(&trip.path("work"), &["ls-remote", "--refs", "origin"])?;
    let found: Refs = found
        .lines()
        .filter_map(|line| line.split_once('\t'))
        .map(|(id, name)| (name.to_string(), id.to_string()))
        .collect();
    let other = refs.iter().find(|(name, id)| found.get(*name) != Some(id));
    ensure!(found == *refs, "{} refs instead of {}, {other:?}", found.len(), refs.len());
    Ok(())
}
