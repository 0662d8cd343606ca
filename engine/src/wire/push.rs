//! What a push asks for, and the report it gets (gitprotocol-pack, "Pushing Data To a Server").

use super::caps;
use super::line;
use crate::error::{Error, Result};
use crate::hash::{Format, Oid};
use alloc::vec::Vec;

/// One command: `old new name`; zeros are `None`.
#[derive(Clone, PartialEq, Eq)]
#[cfg_attr(not(target_arch = "wasm32"), derive(Debug))]
pub struct Command<'a> {
    pub old: Option<Oid>,
    pub new: Option<Oid>,
    pub name: &'a [u8],
}

/// Reads a command line, and the capabilities behind its NUL.
pub fn command(text: &[u8], format: Format) -> Result<(Command<'_>, Option<&[u8]>)> {
    let (text, list) = match text.iter().position(|byte| *byte == 0) {
        Some(at) => (&text[..at], text.get(at + 1..)),
        None => (text, None),
    };
    let digits = 2 * format.width();
    let id = |at: usize| -> Result<Option<Oid>> {
        let oid = Oid::from_hex(format, text.get(at..at + digits).ok_or(Error::BadRequest)?)?;
        Ok((!oid.is_zero()).then_some(oid))
    };
    let spaces = [text.get(digits), text.get(2 * digits + 1)];
    if spaces != [Some(&b' '), Some(&b' ')] {
        return Err(Error::BadRequest);
    }
    let name = text.get(2 * digits + 2..).filter(|name| !name.is_empty());
    let name = name.ok_or(Error::BadRequest)?;
    Ok((Command { old: id(0)?, new: id(digits + 1)?, name }, list))
}

/// What the client asked for with its first command.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
#[cfg_attr(not(target_arch = "wasm32"), derive(Debug))]
pub struct Wishes {
    pub report: bool,
    pub bands: bool,
    pub quiet: bool,
    pub atomic: bool,
    pub options: bool,
}

impl Wishes {
    pub fn read(list: &[u8]) -> Wishes {
        Wishes {
            report: caps::has(list, b"report-status") || caps::has(list, b"report-status-v2"),
            bands: caps::has(list, b"side-band-64k"),
            quiet: caps::has(list, b"quiet"),
            atomic: caps::has(list, b"atomic"),
            options: caps::has(list, b"push-options"),
        }
    }
}

/// Appends how a ref fared, as a line of the report; `None`: it was done.
pub fn status(out: &mut Vec<u8>, name: &[u8], refusal: Option<&[u8]>) {
    match refusal {
        None => line::write(out, &[b"ok ", name, b"\n"]),
        Some(reason) => line::write(out, &[b"ng ", name, b" ", reason, b"\n"]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::format;

    #[test]
    fn a_command_is_two_ids_and_a_name() {
        let (zero, one) = ("0".repeat(40), "1".repeat(40));
        fn read(text: &str) -> Result<(Command<'_>, Option<Vec<u8>>)> {
            command(text.as_bytes(), Format::Sha1)
                .map(|(command, list)| (command, list.map(<[u8]>::to_vec)))
        }
        let id = Oid::from_hex(Format::Sha1, one.as_bytes()).ok();
        let name = b"refs/heads/a b".as_slice();
        let expect = Command { old: None, new: id, name };
        assert_eq!(read(&format!("{zero} {one} refs/heads/a b")), Ok((expect.clone(), None)));
        let with = format!("{zero} {one} refs/heads/a b\0 atomic");
        assert_eq!(read(&with), Ok((expect, Some(b" atomic".to_vec()))));
        for bad in [
            "",
            "x",
            &format!("{zero} {one}"),
            &format!("{zero} {one} "),
            &format!("{zero}x{one} r"),
        ] {
            assert!(read(bad).is_err(), "{bad:?}");
        }
    }
}
