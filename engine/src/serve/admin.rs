//! What a host asks for itself: creation, `HEAD`, settings, a check of everything, a bundle.

use super::Progress;
use super::audit::Audit;
use crate::error::{Error, Result};
use crate::hash::{Format, Oid};
use crate::host::Host;
use crate::limits::{EMIT_MAX, PRUNE_SECONDS};
use crate::store::export::{Export, Options};
use crate::store::{Store, Target, log, settings};
use crate::walk::{Ask, Walk};
use crate::wire::{caps, line, refname};
use alloc::boxed::Box;
use alloc::vec::Vec;

/// How creation went.
pub enum Created {
    Done,
    Exists,
    BadBranch,
    BadFormat,
}

/// Makes a repository as the query asks: `default-branch`, `object-format`.
pub fn create(host: &mut dyn Host, query: &[u8]) -> Created {
    let branch = caps::query(query, b"default-branch").unwrap_or_else(|| b"main".to_vec());
    let name = caps::query(query, b"object-format").unwrap_or_else(|| b"sha1".to_vec());
    let mut formats = [Format::Sha1, Format::Sha256].into_iter();
    let Some(format) = formats.find(|format| format.name().as_bytes() == name) else {
        return Created::BadFormat;
    };
    let Some(name) = branch_ref(&branch) else { return Created::BadBranch };
    if Store::create(host, format, &name) { Created::Done } else { Created::Exists }
}

/// The ref of a branch, if it may be called so.
fn branch_ref(branch: &[u8]) -> Option<Vec<u8>> {
    refname::is_branch(branch).then(|| [b"refs/heads/", branch].concat())
}

pub enum Admin {
    /// `HEAD` shall name the query's `branch`.
    Head(Vec<u8>),
    /// All settings, or the values of the query's `key`.
    Settings(Vec<u8>),
    /// The query's `key` shall be its `value`, with `add` beside what it is.
    Set(Vec<u8>),
    Check(Box<Audit>),
    Bundle(Box<Bundle>),
    /// The records of pushes behind that of the query's number `after`, at most `limit`.
    Log(log::Reader),
    /// Nothing by itself: upkeep follows it, of any size. What nothing reaches is dropped after so
    /// many seconds; all packs are hashed together, however large, if it may be thorough.
    Maintain(u64, bool),
}

pub enum Bundle {
    Refs { after: Vec<u8>, wants: Vec<Oid> },
    Walk(Walk),
    Pack(Export),
}

impl Admin {
    /// What the path asks for.
    pub fn new(method: &[u8], path: &[u8], query: &[u8]) -> Option<Admin> {
        let number =
            |key: &[u8]| caps::query(query, key).and_then(|text| settings::size(&text).ok());
        // Compared as wholes: patterns are compared letter by letter, 11 bytes of code each.
        let (is_get, is_post) = (method == b"GET", method == b"POST");
        Some(match path.strip_prefix(b"/-/")? {
            name if is_post && name == b"head" => Admin::Head(query.to_vec()),
            name if is_get && name == b"config" => Admin::Settings(query.to_vec()),
            name if (is_post || method == b"PUT") && name == b"config" => {
                Admin::Set(query.to_vec())
            }
            name if is_get && (name == b"fsck" || name == b"scrub") => {
                Admin::Check(Box::new(Audit::new(name == b"scrub")))
            }
            name if is_get && name == b"bundle" => {
                Admin::Bundle(Box::new(Bundle::Refs { after: Vec::new(), wants: Vec::new() }))
            }
            name if is_get && name == b"log" => {
                Admin::Log(log::Reader::new(number(b"after"), number(b"limit").unwrap_or(u64::MAX)))
            }
            name if is_post && name == b"maintain" => {
                let is_thorough = caps::query(query, b"thorough").is_some();
                Admin::Maintain(number(b"prune").unwrap_or(PRUNE_SECONDS), is_thorough)
            }
            _ => return None,
        })
    }

    pub fn content_type(&self) -> &'static [u8] {
        match self {
            Admin::Bundle(_) => b"application/x-git-bundle",
            _ => b"text/plain",
        }
    }

    pub fn pump(&mut self, store: &mut Store, out: &mut Vec<u8>) -> Result<Progress> {
        let is_over = match self {
            Admin::Head(query) => {
                let branch = caps::query(query, b"branch").unwrap_or_default();
                store.set_head(&branch_ref(&branch).ok_or(Error::BadBranch)?)?;
                out.extend_from_slice(b"ok\n");
                true
            }
            Admin::Settings(query) => {
                let Some(key) = caps::query(query, b"key") else {
                    out.extend_from_slice(store.settings());
                    return Ok(Progress::Done);
                };
                let (name, _) = settings::find(&key)?;
                let mut rest = store.settings();
                while let Some(value) = settings::next(&mut rest, &name) {
                    line::append(out, &[value, b"\n"]);
                }
                true
            }
            Admin::Set(query) => {
                let key = caps::query(query, b"key").unwrap_or_default();
                let is_added = caps::query(query, b"add").is_some();
                store.set(&key, caps::query(query, b"value").as_deref(), is_added)?;
                true
            }
            Admin::Check(audit) => audit.step(store, out)?,
            Admin::Bundle(bundle) => bundle.pump(store, out)?,
            Admin::Log(reader) => reader.step(store, out),
            Admin::Maintain(..) => true,
        };
        Ok(if is_over { Progress::Done } else { Progress::Busy })
    }
}

impl Bundle {
    /// A bundle of all refs (gitformat-bundle). True: it is complete.
    fn pump(&mut self, store: &mut Store, out: &mut Vec<u8>) -> Result<bool> {
        match self {
            Bundle::Refs { after, wants } => {
                if after.is_empty() {
                    begin(store, out)?;
                }
                let refs = store.refs(b"", after)?;
                store.reload()?;
                let Some(last) = refs.last() else {
                    out.push(b'\n');
                    let wants = core::mem::take(wants);
                    let (commons, cut, filter) = (Vec::new(), None, None);
                    let ask = Ask { wants, commons, include_tag: false, thin: false, cut, filter };
                    *self = Bundle::Walk(Walk::new(store, ask)?);
                    return Ok(false);
                };
                after.clone_from(&last.name);
                for found in &refs {
                    let Target::Direct { oid, .. } = &found.target else { continue };
                    wants.push(*oid);
                    line::append(out, &[&*oid.to_hex(), b" ", found.name.as_slice(), b"\n"]);
                }
            }
            Bundle::Walk(walk) => {
                if walk.step(store)? {
                    let options = Options { ofs_delta: true };
                    *self = Bundle::Pack(Export::new(store, walk.selection(), options)?);
                }
            }
            Bundle::Pack(export) => {
                return export.pump(store, EMIT_MAX, &mut |bytes| out.extend_from_slice(bytes));
            }
        }
        Ok(false)
    }
}

fn begin(store: &mut Store, out: &mut Vec<u8>) -> Result<()> {
    match store.format() {
        Format::Sha1 => out.extend_from_slice(b"# v2 git bundle\n"),
        Format::Sha256 => out.extend_from_slice(b"# v3 git bundle\n@object-format=sha256\n"),
    }
    let head = store.head().to_vec();
    if let Some(Target::Direct { oid, .. }) = store.find_ref(&head)? {
        line::append(out, &[&*oid.to_hex(), b" HEAD\n"]);
    }
    Ok(())
}
