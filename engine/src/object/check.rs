//! What git's fsck says about one object: the table of its rules, and the check by it. Knows no
//! other object and no setting; of blobs only those are looked at that git itself reads.

mod files;
mod lines;
mod names;
mod tree;

pub use files::{Content, File, inspect_file};

use crate::error::Result;
use crate::hash::{Format, Oid};
use crate::object::{self, Kind};
use alloc::vec::Vec;
use core::ops::ControlFlow;

/// What is done about a fault.
#[derive(Clone, Copy, PartialEq, Eq)]
#[cfg_attr(not(target_arch = "wasm32"), derive(Debug))]
pub enum Severity {
    Ignore,
    /// Told as a warning, also by a strict check.
    Info,
    Warn,
    Error,
    /// An error that no setting makes less of: nothing behind it could be read.
    Fatal,
}

/// A fault that an object can have.
pub struct Rule {
    /// As git spells it in `fsck.<name>`.
    pub name: &'static str,
    pub severity: Severity,
    pub text: &'static str,
}

macro_rules! rules {
    ($($fault:ident $name:literal $severity:ident $text:literal)*) => {
        /// A rule's place in the table.
        #[derive(Clone, Copy)]
        #[repr(u8)]
        enum Fault { $($fault),* }

        /// Every rule that is checked, by git's names, severities and words (git's fsck-msgids).
        /// The other rules for objects are about what cannot be read: such an object is refused
        /// before it is checked, here as in git.
        pub const RULES: &[Rule] = &[
            $(Rule { name: $name, severity: Severity::$severity, text: $text }),*
        ];
    };
}

rules! {
    NulInHeader "nulInHeader" Fatal "unterminated header: NUL at offset "
    UnterminatedHeader "unterminatedHeader" Fatal "unterminated header"
    BadDate "badDate" Error "invalid author/committer line - bad date"
    BadDateOverflow "badDateOverflow" Error
        "invalid author/committer line - date causes integer overflow"
    BadEmail "badEmail" Error "invalid author/committer line - bad email"
    BadName "badName" Error "invalid author/committer line - bad name"
    BadParentSha1 "badParentSha1" Error "invalid 'parent' line format - bad sha1"
    BadTimezone "badTimezone" Error "invalid author/committer line - bad time zone"
    BadTree "badTree" Error "cannot be parsed as a tree"
    DuplicateEntries "duplicateEntries" Error "contains duplicate file entries"
    GitattributesBlob "gitattributesBlob" Error "non-blob found at .gitattributes"
    GitattributesLarge "gitattributesLarge" Error ".gitattributes too large to parse"
    GitattributesLineLength "gitattributesLineLength" Error
        ".gitattributes has too long lines to parse"
    GitmodulesBlob "gitmodulesBlob" Error "non-blob found at .gitmodules"
    GitmodulesLarge "gitmodulesLarge" Error ".gitmodules too large to parse"
    GitmodulesName "gitmodulesName" Error "disallowed submodule name: "
    GitmodulesPath "gitmodulesPath" Error "disallowed submodule path: "
    GitmodulesUpdate "gitmodulesUpdate" Error "disallowed submodule update setting: "
    GitmodulesUrl "gitmodulesUrl" Error "disallowed submodule url: "
    GitmodulesSymlink "gitmodulesSymlink" Error ".gitmodules is a symbolic link"
    MissingAuthor "missingAuthor" Error "invalid format - expected 'author' line"
    MissingCommitter "missingCommitter" Error "invalid format - expected 'committer' line"
    MissingEmail "missingEmail" Error "invalid author/committer line - missing email"
    MissingNameBeforeEmail "missingNameBeforeEmail" Error
        "invalid author/committer line - missing space before email"
    MissingSpaceBeforeDate "missingSpaceBeforeDate" Error
        "invalid author/committer line - missing space before date"
    MissingSpaceBeforeEmail "missingSpaceBeforeEmail" Error
        "invalid author/committer line - missing space before email"
    MultipleAuthors "multipleAuthors" Error "invalid format - multiple 'author' lines"
    TreeNotSorted "treeNotSorted" Error "not properly sorted"
    ZeroPaddedDate "zeroPaddedDate" Error "invalid author/committer line - zero-padded date"
    FullPathname "fullPathname" Warn "contains full pathnames"
    HasDot "hasDot" Warn "contains '.'"
    HasDotdot "hasDotdot" Warn "contains '..'"
    HasDotgit "hasDotgit" Warn "contains '.git'"
    LargePathname "largePathname" Warn "contains excessively large pathname"
    NullSha1 "nullSha1" Warn "contains entries pointing to null sha1"
    NulInCommit "nulInCommit" Warn "NUL byte in the commit object body"
    ZeroPaddedFilemode "zeroPaddedFilemode" Warn "contains zero-padded file modes"
    BadFilemode "badFilemode" Info "contains bad file modes"
    BadTagName "badTagName" Info "invalid 'tag' name: "
    GitattributesSymlink "gitattributesSymlink" Info ".gitattributes is a symlink"
    GitmodulesParse "gitmodulesParse" Info "could not parse gitmodules blob"
    GitignoreSymlink "gitignoreSymlink" Info ".gitignore is a symlink"
    MailmapSymlink "mailmapSymlink" Info ".mailmap is a symlink"
    MissingTaggerEntry "missingTaggerEntry" Info "invalid format - expected 'tagger' line"
    ExtraHeaderEntry "extraHeaderEntry" Ignore "invalid format - extra header(s) after 'tagger'"
}

/// What is done about each rule of the table.
pub type Severities = [Severity; RULES.len()];

/// As `git fsck` judges.
pub const USUAL: Severities = severities(false);
/// As `git fsck --strict` and `receive.fsckObjects` judge: a warning is an error.
pub const STRICT: Severities = severities(true);

/// As this server judges: strictly, but for what old tools wrote into histories that people have.
/// These are harmless, and GitLab's servers let the same three pass.
pub const FORGE: Severities = {
    let mut all = STRICT;
    all[Fault::BadTimezone as usize] = Severity::Warn;
    all[Fault::MissingSpaceBeforeDate as usize] = Severity::Warn;
    all[Fault::ZeroPaddedFilemode as usize] = Severity::Warn;
    all
};

/// The same of what is stored: what git warns of is no error, as for `git fsck`.
pub const STORED: Severities = {
    let mut all = USUAL;
    all[Fault::BadTimezone as usize] = Severity::Warn;
    all[Fault::MissingSpaceBeforeDate as usize] = Severity::Warn;
    all
};

const fn severities(is_strict: bool) -> Severities {
    let mut all = [Severity::Ignore; RULES.len()];
    let mut at = 0;
    while at < all.len() {
        all[at] = match RULES[at].severity {
            Severity::Warn if is_strict => Severity::Error,
            severity => severity,
        };
        at += 1;
    }
    all
}

impl Rule {
    /// Git's words: `object <id>: <name>: <text>`.
    pub fn message(&self, oid: &Oid, detail: &[u8]) -> Vec<u8> {
        let (name, text) = (self.name.as_bytes(), self.text.as_bytes());
        [b"object ", &oid.to_hex()[..], b": ", name, b": ", text, detail].concat()
    }
}

/// A fault that was found.
pub struct Finding<'a> {
    /// `Warn` or `Error`: what is ignored is not told.
    pub severity: Severity,
    pub rule: &'static Rule,
    /// What ends the rule's text: the name that is wrong, the place where.
    pub detail: &'a [u8],
}

/// Gives what the object refers to, as `references` does, and tells what is wrong with it, in one
/// reading of a tree; gives the files that are to be inspected by themselves. True: there is no
/// error. Fails where git cannot read the object at all.
pub fn inspect(
    kind: Kind,
    content: &[u8],
    format: Format,
    severities: &Severities,
    each: &mut dyn FnMut(Oid, Kind),
    file: &mut dyn FnMut(Oid, File),
    tell: &mut dyn FnMut(&Finding),
) -> Result<bool> {
    let mut check = Check { format, severities, tell, is_good: true };
    match kind {
        Kind::Tree => check.tree(content, each, file)?,
        Kind::Blob => {}
        Kind::Commit | Kind::Tag => {
            object::references(kind, content, format, each)?;
            // Broken off is what could not go on; what is wrong has been told.
            _ = if kind == Kind::Tag { check.tag(content) } else { check.commit(content) };
        }
    }
    Ok(check.is_good)
}

struct Check<'a> {
    format: Format,
    severities: &'a Severities,
    tell: &'a mut dyn FnMut(&Finding),
    is_good: bool,
}

impl Check<'_> {
    fn fault(&mut self, fault: Fault) -> ControlFlow<()> {
        self.fault_at(fault, b"")
    }

    /// Tells a fault; breaks if it is an error.
    fn fault_at(&mut self, fault: Fault, detail: &[u8]) -> ControlFlow<()> {
        let severity = match self.severities.get(fault as usize) {
            None | Some(Severity::Ignore) => return ControlFlow::Continue(()),
            Some(Severity::Info | Severity::Warn) => Severity::Warn,
            Some(Severity::Error | Severity::Fatal) => Severity::Error,
        };
        if let Some(rule) = RULES.get(fault as usize) {
            (self.tell)(&Finding { severity, rule, detail });
        }
        if severity == Severity::Warn {
            return ControlFlow::Continue(());
        }
        self.is_good = false;
        ControlFlow::Break(())
    }
}
