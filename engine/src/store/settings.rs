//! A repository's settings, by git's names: which there are, and what they are. They are lines
//! `key=value` in the manifest's row, so that reading them costs nothing. Knows no protocol.

use super::Store;
use crate::error::{Error, Result};
use crate::limits::SETTINGS_MAX;
use crate::object::check::{FORGE, RULES, STORED, Severities, Severity};
use alloc::vec::Vec;

macro_rules! keys {
    ($($key:ident $line:literal)*) => {
        /// A setting's place in the table.
        #[derive(Clone, Copy)]
        #[repr(u8)]
        pub enum Key { $($key),* }

        /// Each setting and what it is where nothing is set, which suits a public forge. That also
        /// says what it can be: `true` or `false`, a size, or patterns.
        const KEYS: &[&str] = &[$($line),*];
    };
}

keys! {
    DenyDeletes "receive.denyDeletes=false"
    DenyForce "receive.denyNonFastForwards=false"
    HideReceive "receive.hideRefs="
    HideUpload "uploadpack.hideRefs="
    HideAll "transfer.hideRefs="
    DenyRefCreate "gitcell.denyCreate="
    DenyRefDelete "gitcell.denyDelete="
    DenyRefForce "gitcell.denyForce="
    DenyRefWrite "gitcell.denyWrite="
    ForbidName "gitcell.forbidName="
    ForbidPath "gitcell.forbidPath="
    DepthMax "gitcell.maxTreeDepth=0"
    ObjectMax "gitcell.maxObjectSize=0"
    ReadOnly "gitcell.readOnly=false"
    FsckObjects "receive.fsckObjects=true"
    CertNonceSeed "receive.certNonceSeed="
    CertNonceSlop "receive.certNonceSlop=0"
    InputMax "receive.maxInputSize=0"
    AdvertiseAtomic "receive.advertiseAtomic=true"
    AdvertiseOptions "receive.advertisePushOptions=true"
    AdvertiseSession "transfer.advertiseSID=true"
    AdvertiseInfo "transfer.advertiseObjectInfo=false"
    AdvertiseBundles "uploadpack.advertiseBundleURIs=false"
    AllowFilter "uploadpack.allowFilter=true"
    AllowSidebandAll "uploadpack.allowSidebandAll=true"
    AllowRef "uploadpack.allowRefInWant=false"
    AllowAny "uploadpack.allowAnySHA1InWant=false"
    AllowReachable "uploadpack.allowReachableSHA1InWant=true"
    AllowTip "uploadpack.allowTipSHA1InWant=true"
}

/// What begins the names of settings that list bundles; git knows what follows.
const BUNDLE: &str = "bundle.";
/// What begins the name of a setting that says how bad a fault is: of an object that is pushed, and
/// of one that is checked.
const FSCK: [&str; 2] = ["receive.fsck.", "fsck."];

/// Words of a list of capabilities that are there if the setting is on.
pub type Offer = (Key, &'static [u8]);

/// What is before a byte, and behind it; no such byte: all and nothing.
pub fn cut(text: &[u8], byte: u8) -> (&[u8], &[u8]) {
    let end = text.iter().position(|found| *found == byte).unwrap_or(text.len());
    (&text[..end], text.get(end + 1..).unwrap_or_default())
}

/// The next value that lines give a setting; `rest` is what follows it.
pub fn next<'a>(rest: &mut &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    while !rest.is_empty() {
        let (line, after) = cut(rest, b'\n');
        *rest = after;
        let (found, value) = cut(line, b'=');
        if found == name {
            return Some(value);
        }
    }
    None
}

/// Whether the last pattern that fits a ref's name, of all that these settings have, takes it: a
/// name, a folder, or what is before a `*`; `!` leaves it out.
fn covers(mut rest: &[u8], keys: &[Key], name: &[u8]) -> bool {
    let mut is_covered = false;
    while !rest.is_empty() {
        let (line, after) = cut(rest, b'\n');
        rest = after;
        let (found, value) = cut(line, b'=');
        if !keys.iter().any(|key| key.line().0 == found) {
            continue;
        }
        let pattern = value.strip_prefix(b"!").unwrap_or(value);
        // A namespace, which `^` looks behind, there is none.
        let pattern = pattern.strip_prefix(b"^").unwrap_or(pattern);
        let fits = match pattern.strip_suffix(b"*") {
            Some(head) => name.starts_with(head),
            None => name
                .strip_prefix(pattern.strip_suffix(b"/").unwrap_or(pattern))
                .is_some_and(|rest| matches!(rest.first(), None | Some(b'/'))),
        };
        if fits {
            is_covered = !value.starts_with(b"!");
        }
    }
    is_covered
}

/// Whether one of these lines is a file's name; `*` before or behind stands for anything.
pub fn has_name(mut lines: &[u8], name: &[u8]) -> bool {
    while !lines.is_empty() {
        let (line, after) = cut(lines, b'\n');
        lines = after;
        let is_it = match (line.strip_prefix(b"*"), line.strip_suffix(b"*")) {
            (Some(tail), _) => name.ends_with(tail),
            (_, Some(head)) => name.starts_with(head),
            _ => name == line,
        };
        if is_it {
            return true;
        }
    }
    false
}

/// A setting's name as it is kept, and what it usually is. A fault that keeps an object from being
/// read cannot be set.
pub fn find(name: &[u8]) -> Result<(Vec<u8>, &'static [u8])> {
    for line in KEYS {
        let (known, usual) = cut(line.as_bytes(), b'=');
        if known.eq_ignore_ascii_case(name) {
            return Ok((known.to_vec(), usual));
        }
    }
    for rule in RULES {
        for prefix in FSCK {
            let known = [prefix.as_bytes(), rule.name.as_bytes()].concat();
            if known.eq_ignore_ascii_case(name) && rule.severity != Severity::Fatal {
                return Ok((known, b"warn"));
            }
        }
    }
    let end = name.iter().rposition(|byte| *byte == b'.').map_or(0, |at| at + 1);
    let (section, last) = name.split_at(end);
    if last.is_empty() || !section.starts_with(BUNDLE.as_bytes()) || name.contains(&b'=') {
        return Err(Error::NoSetting);
    }
    Ok(([section, &last.to_ascii_lowercase()].concat(), b""))
}

/// A value in any of git's spellings as it is kept: `true` or `false`, digits, or as it is.
fn kept(usual: &[u8], value: &[u8]) -> Result<Vec<u8>> {
    let is = |words: &[&str]| words.iter().any(|word| value.eq_ignore_ascii_case(word.as_bytes()));
    Ok(match usual.first() {
        Some(b't' | b'f') if is(&["true", "yes", "on", "1"]) => b"true".to_vec(),
        Some(b't' | b'f') if is(&["false", "no", "off", "0", ""]) => b"false".to_vec(),
        Some(b'0') => super::decimal(size(value)?, &mut [0; 20]).to_vec(),
        None if !value.iter().any(u8::is_ascii_control) => value.to_vec(),
        Some(b'w') if is(&["error", "warn", "ignore"]) => value.to_ascii_lowercase(),
        _ => return Err(Error::BadSetting),
    })
}

/// A number, and its unit: `k`, `m` or `g`, of 1024 each.
pub fn size(text: &[u8]) -> Result<u64> {
    let (digits, shift) = match text.split_last() {
        Some((b'k' | b'K', digits)) => (digits, 10),
        Some((b'm' | b'M', digits)) => (digits, 20),
        Some((b'g' | b'G', digits)) => (digits, 30),
        _ => (text, 0),
    };
    number(digits)?.checked_mul(1 << shift).ok_or(Error::BadRequest)
}

/// A number of decimal digits, and nothing else.
pub fn number(digits: &[u8]) -> Result<u64> {
    let mut value = 0u64;
    for digit in digits {
        let digit = digit.checked_sub(b'0').filter(|digit| *digit < 10).ok_or(Error::BadRequest)?;
        let next = value.checked_mul(10).and_then(|value| value.checked_add(u64::from(digit)));
        value = next.ok_or(Error::BadRequest)?;
    }
    if digits.is_empty() { Err(Error::BadRequest) } else { Ok(value) }
}

impl Key {
    /// Its name, and what it usually is.
    fn line(self) -> (&'static [u8], &'static [u8]) {
        cut(KEYS.get(self as usize).map_or("", |line| line).as_bytes(), b'=')
    }
}

impl Store<'_> {
    /// Lines that bind who is calling, beside what is set.
    pub fn bind(&mut self, rules: &[u8]) {
        self.rules = rules.to_vec();
    }

    /// Whether a pattern of these settings, or of the caller's rules, covers a ref.
    pub fn covers(&self, keys: &[Key], name: &[u8]) -> bool {
        covers(self.settings(), keys, name) || covers(&self.rules, keys, name)
    }

    /// All that is set, as lines.
    pub fn settings(&self) -> &[u8] {
        &self.manifest.settings
    }

    /// The lines that list bundles.
    pub fn bundles(&self, each: &mut dyn FnMut(&[u8])) {
        let mut rest = self.settings();
        while !rest.is_empty() {
            let (line, after) = cut(rest, b'\n');
            rest = after;
            if line.starts_with(BUNDLE.as_bytes()) {
                each(line);
            }
        }
    }

    /// All values of a setting, as lines.
    pub fn lines(&self, key: Key) -> Vec<u8> {
        let (mut rest, mut lines) = (self.settings(), Vec::new());
        while let Some(value) = next(&mut rest, key.line().0) {
            lines.extend_from_slice(&[value, b"\n"].concat());
        }
        lines
    }

    /// The last value of this name, which counts.
    fn last(&self, name: &[u8]) -> Option<&[u8]> {
        let (mut rest, mut last) = (self.settings(), None);
        while let Some(value) = next(&mut rest, name) {
            last = Some(value);
        }
        last
    }

    /// What a setting is.
    pub fn setting(&self, key: Key) -> &[u8] {
        let (name, usual) = key.line();
        self.last(name).unwrap_or(usual)
    }

    pub fn is_set(&self, key: Key) -> bool {
        self.setting(key) == b"true"
    }

    /// One that is a size.
    pub fn number(&self, key: Key) -> u64 {
        number(self.setting(key)).unwrap_or(0)
    }

    /// Appends what is offered, of these.
    pub fn offer(&self, offers: &[Offer], out: &mut Vec<u8>) {
        for (key, words) in offers {
            if self.is_set(*key) {
                out.extend_from_slice(words);
            }
        }
    }

    /// What is done about each fault of an object that is pushed.
    pub fn severities(&self) -> Severities {
        if !self.is_set(Key::FsckObjects) {
            return [Severity::Ignore; RULES.len()];
        }
        self.judged(FSCK[0], FORGE)
    }

    /// The same of each that is stored.
    pub fn severities_stored(&self) -> Severities {
        self.judged(FSCK[1], STORED)
    }

    fn judged(&self, prefix: &str, usual: Severities) -> Severities {
        let mut all = usual;
        for (severity, rule) in all.iter_mut().zip(RULES) {
            match self.last(&[prefix.as_bytes(), rule.name.as_bytes()].concat()) {
                Some(value) if value == b"ignore" => *severity = Severity::Ignore,
                Some(value) if value == b"warn" => *severity = Severity::Warn,
                Some(_) => *severity = Severity::Error,
                None => {}
            }
        }
        all
    }

    /// Gives a setting a value instead of all that it has, or beside them; none: takes all away.
    pub fn set(&mut self, name: &[u8], value: Option<&[u8]>, is_added: bool) -> Result<()> {
        let (name, usual) = find(name)?;
        let (mut text, mut rest) = (Vec::new(), self.settings());
        while !rest.is_empty() {
            let (line, after) = cut(rest, b'\n');
            rest = after;
            if is_added || cut(line, b'=').0 != name {
                text.extend_from_slice(&[line, b"\n"].concat());
            }
        }
        if let Some(value) = value {
            text.extend_from_slice(&[&name, &b"="[..], &kept(usual, value)?, b"\n"].concat());
        }
        if text.len() > SETTINGS_MAX {
            return Err(Error::TooLarge);
        }
        self.change(&|manifest| manifest.settings.clone_from(&text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::Memory;

    /// Sets these one after another, and tells what all is set then.
    fn check(changes: &[(&str, Option<&str>, bool)], expect: Result<&str>) {
        let mut host = Memory::default();
        assert!(Store::create(&mut host, crate::hash::Format::Sha1, b"refs/heads/main"));
        let store = Store::open(&mut host);
        let Ok(Some(mut store)) = store else { panic!("it was created") };
        let mut outcome = Ok(());
        for (name, value, is_added) in changes {
            outcome = store.set(name.as_bytes(), value.map(str::as_bytes), *is_added);
        }
        let text = outcome.map(|()| store.settings().to_vec());
        assert_eq!(text.as_deref().map_err(|error| *error), expect.map(str::as_bytes));
    }

    #[test]
    fn a_value_is_kept_as_it_is_meant() {
        let name = "Receive.DenyDeletes";
        check(&[(name, Some("Yes"), false)], Ok("receive.denyDeletes=true\n"));
        check(&[(name, Some(""), false)], Ok("receive.denyDeletes=false\n"));
        check(&[(name, Some("maybe"), false)], Err(Error::BadSetting));
        let name = "receive.maxinputsize";
        check(&[(name, Some("2k"), false)], Ok("receive.maxInputSize=2048\n"));
        check(&[(name, Some("2t"), false)], Err(Error::BadRequest));
        let name = "receive.fsck.HASDOT";
        check(&[(name, Some("Ignore"), false)], Ok("receive.fsck.hasDot=ignore\n"));
        check(&[(name, Some("fatal"), false)], Err(Error::BadSetting));
        check(&[("FSCK.hasdot", Some("Error"), false)], Ok("fsck.hasDot=error\n"));
        check(&[("fsck.nulInHeader", Some("warn"), false)], Err(Error::NoSetting));
        check(&[("receive.fsck.nulInHeader", Some("warn"), false)], Err(Error::NoSetting));
        check(&[("receive.denyDelete", Some("true"), false)], Err(Error::NoSetting));
    }

    #[test]
    fn a_value_replaces_or_joins_those_before_it() {
        let name = "receive.maxInputSize";
        let one = (name, Some("1"), false);
        let other = ("transfer.advertiseSID", Some("0"), false);
        let kept = "transfer.advertiseSID=false\n";
        check(&[one, other, (name, Some("2"), false)], Ok(&[kept, name, "=2\n"].concat()));
        check(&[one, (name, Some("2"), true)], Ok(&[name, "=1\n", name, "=2\n"].concat()));
        check(&[one, other, (name, None, false)], Ok(kept));
        check(&[(name, None, false)], Ok(""));
    }

    #[test]
    fn settings_have_a_limit() {
        let mut host = Memory::default();
        Store::create(&mut host, crate::hash::Format::Sha1, b"refs/heads/main");
        let Ok(Some(mut store)) = Store::open(&mut host) else { panic!("it was created") };
        let name = b"receive.maxInputSize";
        let line = name.len() + 3;
        store.manifest.settings = b"receive.maxInputSize=1\n".repeat(SETTINGS_MAX / line - 1);
        assert_eq!(store.set(name, Some(b"1"), true), Ok(()));
        assert_eq!(store.set(name, Some(b"1"), true), Err(Error::TooLarge));
    }
}
