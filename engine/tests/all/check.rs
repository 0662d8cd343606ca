//! What the check says of objects, and that git says the same of the same bytes.

use crate::client::{push, repository, request, run};
use crate::git::Git;
use engine::error::Result;
use engine::hash::{Format, Oid};
use engine::object::Kind;
use engine::object::check::{FORGE, RULES, STRICT, Severities, Severity, USUAL, inspect};
use std::collections::BTreeSet;

const ID: &str = "4b825dc642cb6eb9a060e54bf8d69288fbee4904";
const WHO: &str = "A U Thor <author@example.com> 1700000000 +0000";

/// An object, and the faults that it has.
struct Case {
    kind: Kind,
    content: Vec<u8>,
    faults: &'static [&'static str],
}

/// All cases, in the order of the table's rules; what is just right beside what is just wrong.
fn cases() -> Vec<Case> {
    let mut cases = commits();
    cases.extend(idents());
    cases.extend(tags());
    cases.extend(trees());
    cases.extend(names());
    cases
}

fn commit(content: impl AsRef<[u8]>, faults: &'static [&'static str]) -> Case {
    Case { kind: Kind::Commit, content: content.as_ref().to_vec(), faults }
}

fn commits() -> Vec<Case> {
    let who = format!("author {WHO}\ncommitter {WHO}\n");
    let tree = format!("tree {ID}\n");
    vec![
        commit(format!("{tree}{who}\nmessage"), &[]),
        commit(format!("{tree}{who}"), &[]),
        commit(format!("{tree}parent {ID}\nparent {ID}\n{who}\n"), &[]),
        commit(format!("{tree}{who}any header\n and more\n\n"), &[]),
        commit(format!("{tree}parent {}\n", &ID[1..]), &["badParentSha1"]),
        commit(format!("{tree}{who}\0\n\nmessage"), &["nulInHeader"]),
        commit(format!("{tree}{who}\nmess\0age"), &["nulInCommit"]),
        commit(format!("{tree}{who}any header"), &["unterminatedHeader"]),
        commit(
            format!("{tree}author {WHO}\nauthor {WHO}\ncommitter {WHO}\n"),
            &["multipleAuthors"],
        ),
        commit(format!("{tree}committer {WHO}\n\n"), &["missingAuthor"]),
        commit(format!("{tree}author {WHO}\n\n"), &["missingCommitter"]),
        commit(format!("{tree}author {WHO}\nCommitter {WHO}\n\n"), &["missingCommitter"]),
    ]
}

/// A commit whose author is as given.
fn ident(author: &str, faults: &'static [&'static str]) -> Case {
    commit(format!("tree {ID}\nauthor {author}\ncommitter {WHO}\n\nmessage"), faults)
}

fn idents() -> Vec<Case> {
    vec![
        ident("A <> 0 +0000", &[]),
        ident(" <a@b> 1 -1200", &[]),
        ident("A  <a b>  \t1 +9999", &[]),
        ident("<a@b> 1 +0000", &["missingNameBeforeEmail"]),
        ident("A<a@b> 1 +0000", &["missingSpaceBeforeEmail"]),
        ident("A a@b 1 +0000", &["missingEmail"]),
        ident("A > <a@b> 1 +0000", &["badName"]),
        ident("A <a@b 1 +0000", &["badEmail"]),
        ident("A <a<@b> 1 +0000", &["badEmail"]),
        ident("A <a@b>1 +0000", &["missingSpaceBeforeDate"]),
        ident("A <a@b>", &["missingSpaceBeforeDate"]),
        ident("A <a@b> ", &["badDate"]),
        ident("A <a@b> x +0000", &["badDate"]),
        ident("A <a@b> -1 +0000", &["badDate"]),
        ident("A <a@b> 1", &["badDate"]),
        ident("A <a@b> 1x +0000", &["badDate"]),
        ident("A <a@b> 01 +0000", &["zeroPaddedDate"]),
        ident("A <a@b> 0", &["zeroPaddedDate"]),
        ident("A <a@b> 9223372036854775807 +0000", &[]),
        ident("A <a@b> 9223372036854775808 +0000", &["badDateOverflow"]),
        ident("A <a@b> 99999999999999999999999999 +0000", &["badDateOverflow"]),
        ident("A <a@b> 1 0000", &["badTimezone"]),
        ident("A <a@b> 1 +000", &["badTimezone"]),
        ident("A <a@b> 1 +00000", &["badTimezone"]),
        ident("A <a@b> 1 +00x0", &["badTimezone"]),
        ident("A <a@b> 1  +0000", &["badTimezone"]),
    ]
}

fn tag(lines: String, faults: &'static [&'static str]) -> Case {
    Case { kind: Kind::Tag, content: lines.into_bytes(), faults }
}

fn tags() -> Vec<Case> {
    let start = format!("object {ID}\ntype tree\n");
    let named = |name: &str, faults| tag(format!("{start}tag {name}\ntagger {WHO}\n\n"), faults);
    let mut cases = vec![
        tag(format!("{start}tag v1\ntagger {WHO}\n\nmessage"), &[]),
        tag(format!("{start}tag v1\ntagger {WHO}\n"), &[]),
        tag(format!("{start}tag v1\ntagger {WHO}\nany header\n\n"), &[]),
        tag(format!("{start}tag v1\ntagger {WHO}\n\nmess\0age"), &[]),
        tag(format!("{start}tag v1\n\nmessage"), &["missingTaggerEntry"]),
        tag(format!("{start}tag v1\ntagger A <a> 1 +000\n\n"), &["badTimezone"]),
        tag(format!("{start}tag v1\ntagger {WHO}\n\0\n"), &["nulInHeader"]),
        tag(format!("{start}tag v1\ntagger {WHO}"), &["unterminatedHeader"]),
    ];
    cases.extend(["v1", "a/b", "@", "a@b", "-v", "ä", "HEAD"].map(|name| named(name, &[])));
    let bad =
        ["", "a b", "a..b", ".a", "a.", "a/", "/a", "a//b", "a.lock", "a.lock/b", "a@{b", "a^"];
    cases.extend(bad.map(|name| named(name, &["badTagName"])));
    cases
}

fn tree(entries: &[(&str, &str)], faults: &'static [&'static str]) -> Case {
    let id = Oid::from_hex(Format::Sha1, ID.as_bytes()).expect("it is one");
    let entry = |(mode, name): &(&str, &str)| {
        [mode.as_bytes(), b" ", name.as_bytes(), b"\0", id.as_bytes()].concat()
    };
    let content = entries.iter().flat_map(entry).collect();
    Case { kind: Kind::Tree, content, faults }
}

fn trees() -> Vec<Case> {
    const FILE: &str = "100644";
    const FOLDER: &str = "40000";
    let mut nothing = tree(&[(FILE, "a")], &["nullSha1"]);
    let size = nothing.content.len();
    nothing.content[size - 20..].fill(0);
    let (large, larger) = ("x".repeat(4096), "x".repeat(4097));
    vec![
        tree(&[], &[]),
        tree(&[(FILE, "a"), ("100755", "b"), ("120000", "c"), ("160000", "d"), (FOLDER, "e")], &[]),
        nothing,
        tree(&[(FILE, "a/b")], &["fullPathname"]),
        tree(&[(FILE, &large)], &[]),
        tree(&[("0100644", "a")], &["zeroPaddedFilemode"]),
        tree(&[(FILE, "a"), ("040000", "b")], &["zeroPaddedFilemode"]),
        tree(&[("100600", "a")], &["badFilemode"]),
        tree(&[("40755", "a")], &["badFilemode"]),
        tree(&[("0", "a")], &["zeroPaddedFilemode", "badFilemode"]),
        tree(&[(FILE, "b"), (FILE, "a")], &["treeNotSorted"]),
        tree(&[(FILE, "a"), (FILE, "a")], &["duplicateEntries"]),
        tree(&[(FILE, "a"), (FOLDER, "a")], &["duplicateEntries"]),
        tree(&[(FOLDER, "a"), (FILE, "a")], &["duplicateEntries"]),
        tree(&[(FILE, "a.c"), (FOLDER, "a")], &[]),
        tree(&[(FOLDER, "a"), (FILE, "a.c")], &["treeNotSorted"]),
        tree(&[(FOLDER, "a"), (FILE, "a0")], &[]),
        tree(&[(FILE, "a"), (FILE, "a.c"), (FOLDER, "a")], &["duplicateEntries"]),
        tree(
            &[(FILE, "a"), (FILE, "a.b"), (FILE, "a.b.c"), (FOLDER, "a.b"), (FOLDER, "a")],
            &["duplicateEntries"],
        ),
        tree(&[(FILE, "a"), (FILE, "a.b"), (FILE, "a.b.c"), (FOLDER, "a")], &["duplicateEntries"]),
        tree(
            &[(FILE, "a"), (FILE, "a!"), (FILE, "b"), (FILE, "b!"), (FOLDER, "b")],
            &["duplicateEntries"],
        ),
        tree(&[(FILE, "a"), (FILE, "a!"), (FILE, "b"), (FILE, "b!"), (FOLDER, "c")], &[]),
        tree(&[(FILE, &larger)], &["largePathname"]),
        tree(&[(FILE, "a"), (FILE, "")], &["badTree"]),
        tree(&[("", "a")], &["badTree"]),
        tree(&[("100684", "a")], &["badTree"]),
    ]
}

fn file(name: &str, faults: &'static [&'static str]) -> Case {
    tree(&[("100644", name)], faults)
}

fn names() -> Vec<Case> {
    let mut cases = vec![file(".", &["hasDot"]), file("..", &["hasDotdot"]), file("...", &[])];
    let dotgit = [
        ".git",
        ".GIT",
        ".gIt",
        "git~1",
        "GIT~1",
        ".git ",
        ".git.",
        ".git . ",
        ".git:x",
        "git~1 .",
        ".git\\x",
        "a\\.git",
        "a\\git~1",
        ".\u{200c}git",
        "\u{200e}.git",
        ".git\u{feff}",
        ".g\u{206f}i\u{202e}t",
    ];
    cases.extend(dotgit.map(|name| file(name, &["hasDotgit"])));
    cases.extend(
        ["git", ".gi", ".gitx", "git~2", ".git x", "a\\b", ".g\u{200b}it", ".gité"]
            .map(|name| file(name, &[])),
    );
    let link = |name: &str, faults| tree(&[("120000", name)], faults);
    cases.extend(
        [".gitmodules", ".GITMODULES ", "gitmod~1", "gitmod~4.", "gi7eba~1", "x\\.gitmodules"]
            .map(|name| link(name, MODULES)),
    );
    cases.extend(
        [".gitmodule", "gitmod~5", "gi7eba~0", "gi7eb~1", "gi7eba~1x", "~123456", ".gitmodules\\x"]
            .map(|name| link(name, &[])),
    );
    cases
        .push(link("gi~12345", &["gitmodulesSymlink", "gitattributesSymlink", "gitignoreSymlink"]));
    cases.push(link(
        "~1234567",
        &["gitmodulesSymlink", "gitattributesSymlink", "gitignoreSymlink", "mailmapSymlink"],
    ));
    cases.extend([".gitattributes", "gitatt~2", "gi7d29~9"].map(|name| link(name, ATTRIBUTES)));
    cases.extend([".gitignore", "gitign~3", "gi250a~1"].map(|name| link(name, IGNORE)));
    cases.extend(
        [".mailmap", "mailma~1", "maba30~1", ".mail\u{200d}map"].map(|name| link(name, MAILMAP)),
    );
    cases
}

const MODULES: &[&str] = &["gitmodulesSymlink"];
const ATTRIBUTES: &[&str] = &["gitattributesSymlink"];
const IGNORE: &[&str] = &["gitignoreSymlink"];
const MAILMAP: &[&str] = &["mailmapSymlink"];

/// What we find: the verdict, and each fault as git words it, with its severity before it.
fn find(case: &Case, severities: &Severities, oid: &Oid) -> (Result<bool>, Vec<String>) {
    let mut found = Vec::new();
    let mut tell = |finding: &engine::object::check::Finding| {
        let severity = if finding.severity == Severity::Error { "error" } else { "warning" };
        let message = finding.rule.message(oid, finding.detail);
        found.push(format!("{severity}: {}", String::from_utf8_lossy(&message)));
    };
    let verdict = inspect(
        case.kind,
        &case.content,
        Format::Sha1,
        severities,
        &mut |_, _| {},
        &mut |_, _| {},
        &mut tell,
    );
    (verdict, found)
}

/// The rule that a line of ours is about.
fn rule(line: &str) -> &str {
    line.split(": ").nth(2).expect("severity, object, rule, text")
}

#[test]
fn every_rule_tells_its_fault_and_no_other() {
    let mut told: BTreeSet<&str> = BTreeSet::new();
    for case in cases() {
        let (_, found) = find(&case, &USUAL, &Oid::zero(Format::Sha1));
        let rules: Vec<&str> = found.iter().map(|line| rule(line)).collect();
        assert_eq!(rules, case.faults, "{}", String::from_utf8_lossy(&case.content));
        told.extend(case.faults);
    }
    // Those about files are told where files are read.
    let is_file = |rule: &&engine::object::check::Rule| {
        let rest = rule.name.strip_prefix("git").unwrap_or_default();
        (rest.starts_with("modules") || rest.starts_with("attributes"))
            && !rest.ends_with("Symlink")
    };
    for rule in RULES.iter().filter(|rule| !is_file(rule)) {
        let is_told = told.contains(rule.name);
        let is_silent = rule.severity == Severity::Ignore;
        assert_ne!(is_told, is_silent, "{}", rule.name);
    }
}

#[test]
fn severities_decide_what_is_told() {
    let at = RULES.iter().position(|rule| rule.name == "extraHeaderEntry").expect("a rule");
    let mut severities = USUAL;
    severities[at] = Severity::Error;
    let start = format!("object {ID}\ntype tree\ntag v1\ntagger {WHO}\n");
    let check = |rest: &str, expect: bool| {
        let case = tag(format!("{start}{rest}"), &[]);
        let verdict = find(&case, &severities, &Oid::zero(Format::Sha1)).0;
        assert_eq!(verdict, Ok(expect), "{rest:?}");
    };
    check("any header\n\n", false);
    check("gpgsig-sha256 a\n b\n \n\nmessage", true);
    check("gpgsig a\n b\nany header\n\n", false);
    let old =
        [ident("A <a@b>", &[]), ident("A <a@b> 1 +051800", &[]), tree(&[("0100644", "a")], &[])];
    for case in old {
        assert_eq!(find(&case, &STRICT, &Oid::zero(Format::Sha1)).0, Ok(false));
        let (verdict, found) = find(&case, &FORGE, &Oid::zero(Format::Sha1));
        assert_eq!((verdict, found.len()), (Ok(true), 1), "{found:?}");
    }
    let warned = file("a/b", &[]);
    assert_eq!(find(&warned, &USUAL, &Oid::zero(Format::Sha1)).0, Ok(true));
    assert_eq!(find(&warned, &STRICT, &Oid::zero(Format::Sha1)).0, Ok(false));
}

/// What `git fsck --strict` says of objects by the table's rules, as lines of ours, sorted.
fn judge(git: &Git) -> Vec<String> {
    let text = match git.try_run(&["fsck", "--strict", "--no-dangling"], b"") {
        Ok(_) => String::new(),
        Err(text) => text,
    };
    let of = |line: &str| {
        let (severity, rest) = line.split_once(" in ")?;
        let (_, rest) = rest.split_once(' ')?;
        Some(format!("{severity}: object {rest}"))
    };
    let mut lines: Vec<String> = text.lines().filter_map(of).collect();
    lines.retain(|line| line.split(": ").count() > 3);
    lines.sort();
    lines
}

fn write(git: &Git, case: &Case) -> Oid {
    let arguments = ["hash-object", "-w", "--stdin", "--literally", "-t", case.kind.name()];
    let id = git.run(&arguments, &case.content);
    Oid::from_hex(Format::Sha1, id.trim_ascii()).expect("it is one")
}

#[test]
fn git_says_the_same() {
    let git = Git::new("check");
    let cases = cases();
    let found = cases.iter().flat_map(|case| find(case, &STRICT, &write(&git, case)).1);
    let ours: BTreeSet<String> = found.collect();
    let theirs = BTreeSet::from_iter(judge(&git));
    let only_ours: Vec<&String> = ours.difference(&theirs).collect();
    let only_theirs: Vec<&String> = theirs.difference(&ours).collect();
    assert!(only_ours.is_empty() && only_theirs.is_empty(), "{only_ours:#?}\n{only_theirs:#?}");
}

/// What git cannot read at all, and what it can, though hardly.
fn limits_of_reading() -> Vec<(Case, bool)> {
    let tree = format!("tree {ID}\n");
    let other = "1".repeat(40);
    let tagged = format!("object {ID}\n");
    vec![
        (commit("", &[]), false),
        (commit(&tree, &[]), false),
        (commit(format!("{tree}\n"), &[]), true),
        (commit(format!("tree {ID} \n\n"), &[]), false),
        (commit(format!("{tree}parent {other}\n"), &[]), false),
        (commit(format!("{tree}parent {other}\n\n"), &[]), true),
        (commit(format!("{tree}parent {}\n\n", &other[1..]), &[]), false),
        (commit(format!("{tree}parent {}", &other[1..]), &[]), true),
        (tag(format!("{tagged}type tree\ntag v\n"), &[]), true),
        (tag(format!("{tagged}type tree\ntag \n"), &[]), false),
        (tag(format!("{tagged}type tree\ntag name"), &[]), false),
        (tag(format!("{tagged}type trees\ntag name\n"), &[]), false),
        (tag(format!("{tagged}tag name\ntype tree\n"), &[]), false),
        (tag(format!("{tagged}\ntype tree\ntag name\n"), &[]), false),
    ]
}

#[test]
fn git_reads_the_same_objects() {
    for (case, is_readable) in limits_of_reading() {
        let git = Git::new("check-reading");
        // So that what is referred to is there and of the right kind.
        write(&git, &tree(&[], &[]));
        let oid = write(&git, &case);
        let text = git.try_run(&["fsck", "--no-dangling"], b"").err().unwrap_or_default();
        let refused = format!("{}: object could not be parsed", oid.to_hex().escape_ascii());
        let content = String::from_utf8_lossy(&case.content);
        assert_eq!(!text.contains(&refused), is_readable, "{content:?}: {text}");
        assert_eq!(find(&case, &USUAL, &oid).0.is_ok(), is_readable, "{content:?}");
    }
}

#[test]
fn git_refuses_a_push_with_the_same_words() {
    let git = Git::new("check-words");
    let case = tree(&[("100644", "a/b")], &[]);
    let oid = write(&git, &case);
    let list = [&oid.to_hex()[..], b"\n"].concat();
    let pack = git.run(&["pack-objects", "--stdout", "-q"], &list);
    let refusal = git.try_run(&["index-pack", "--strict", "--stdin"], &pack);
    let (verdict, found) = find(&case, &STRICT, &oid);
    assert_eq!(verdict, Ok(false));
    let expect = format!("{}\nfatal: fsck error in packed object\n", found.join("\n"));
    assert_eq!(refusal, Err(expect));
}

/// Lines about objects, of what a check said.
fn judgements(text: &str) -> BTreeSet<String> {
    let is_one = |line: &&str| line.starts_with("error in ") || line.starts_with("warning in ");
    text.lines().filter(is_one).map(str::to_string).collect()
}

#[test]
fn what_is_stored_is_judged_as_git_fsck_judges_it() {
    let git = Git::new("fsck-stored");
    let named = |name: &str, content: &[u8]| {
        let blob = git.run(&["hash-object", "-w", "--stdin"], content);
        let blob = String::from_utf8(blob).expect("hex");
        let entry = format!("100644 blob {}\t{name}\n", blob.trim());
        let tree = git.run(&["mktree"], entry.as_bytes());
        [blob, String::from_utf8(tree).expect("hex")].concat()
    };
    let mut list = format!("{ID}\n");
    git.run(&["hash-object", "-w", "-t", "tree", "--stdin"], b"");
    list += &named(".gitmodules", b"[submodule \"../a\"]\n\tpath = a\n\turl = b\n");
    list += &named(".gitattributes", &b"a".repeat(3000));
    list += &named(".GIT", b"x");
    for case in cases().iter().filter(|case| case.kind != Kind::Tree) {
        let is_parent = case.content.windows(8).any(|text| text == b"\nparent ");
        let (verdict, _) = find(case, &USUAL, &Oid::zero(Format::Sha1));
        if !is_parent && verdict.is_ok() && !case.faults.contains(&"unterminatedHeader") {
            list += &format!("{}\n", write(&git, case).to_hex().escape_ascii());
        }
    }
    let pack = git.run(&["pack-objects", "--stdout", "-q"], list.as_bytes());
    let mut host = repository();
    let set = |host: &mut _, key: &str, value: &str| {
        run(host, request("PUT", &format!("/-/config?key={key}&value={value}"), &[]), &[])
    };
    set(&mut host, "receive.fsckObjects", "false");
    let id = Oid::from_hex(Format::Sha1, ID.as_bytes()).expect("an id");
    push(&mut host, &[("refs/tags/tree", None, Some(id))], &pack);
    // Unset, these two warn here: what was taken is not called broken.
    let mut config = vec!["fsck.badTimezone=error", "fsck.missingSpaceBeforeDate=error"];
    let changes = ["", "fsck.badEmail=ignore", "fsck.gitmodulesName=warn", "fsck.hasDotgit=error"];
    let mut before = BTreeSet::new();
    for change in changes {
        config.extend(Some(change).filter(|change| !change.is_empty()));
        for line in &config {
            let (key, value) = line.split_once('=').expect("a value");
            set(&mut host, key, value);
        }
        let mut words: Vec<&str> = config.iter().flat_map(|line| ["-c", line]).collect();
        words.extend(["fsck", "--no-dangling"]);
        let theirs = git.try_run(&words, b"").err().unwrap_or_default();
        let ours = run(&mut host, request("GET", "/-/fsck", &[]), &[]);
        let (ours, theirs) = (judgements(&String::from_utf8_lossy(&ours)), judgements(&theirs));
        assert_eq!(ours, theirs, "{change}");
        assert_ne!(ours, before, "{change} changes something");
        before = ours;
    }
}
