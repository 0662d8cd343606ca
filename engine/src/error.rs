//! One small error: a code to branch on, a sentence to show, and whose fault it is.

pub type Result<T> = core::result::Result<T, Error>;

/// Who caused an error: gives the HTTP status, and whether trying again can help.
#[derive(Clone, Copy, PartialEq, Eq)]
#[cfg_attr(not(target_arch = "wasm32"), derive(Debug))]
pub enum Blame {
    Peer,
    Store,
}

/// Why a request must end. Codes are never renumbered.
#[derive(Clone, Copy, PartialEq, Eq)]
#[cfg_attr(not(target_arch = "wasm32"), derive(Debug))]
#[repr(u8)]
pub enum Error {
    BadLine = 1,
    BadRequest = 2,
    TooLarge = 3,
    BadOid = 4,
    BadZlib = 5,
    BadPack = 6,
    BadDelta = 7,
    BadObject = 8,
    MissingBase = 9,
    MissingObject = 10,
    PackChecksum = 11,
    Collision = 12,
    TooManyObjects = 13,
    DeltaTooDeep = 14,
    CutShort = 15,
    RepositoryFull = 16,
    Busy = 17,
    NothingSelected = 18,
    InputTooLarge = 19,
    NoSetting = 20,
    BadSetting = 21,
    BadBranch = 22,
    TagsTooDeep = 23,
    Overtaken = 24,
    /// The store holds what this engine did not write.
    Corrupt = 64,
}

impl Error {
    pub fn text(self) -> &'static str {
        match self {
            Error::BadLine => "bad line length character or size in a pkt-line",
            Error::BadRequest => "the request does not follow the protocol",
            Error::TooLarge => "the request, or a tree in it, is larger than this server reads",
            Error::BadOid => {
                "an object id is not written in hexadecimal digits of the right number"
            }
            Error::BadZlib => "compressed data is damaged",
            Error::BadPack => "the pack is damaged",
            Error::BadDelta => "a delta in the pack is damaged",
            Error::BadObject => "an object in the pack is malformed",
            Error::MissingBase => {
                "a delta in the pack has a base that is neither in the pack nor on the server"
            }
            Error::MissingObject => {
                "an object in the pack refers to one that is neither in the pack nor on the server"
            }
            Error::PackChecksum => "the pack's checksum does not match its content",
            Error::Collision => "an object looks like a SHA-1 collision attack",
            Error::TooManyObjects => "the pack has too many objects for one push: push in parts",
            Error::DeltaTooDeep => "a delta chain in the pack is too deep",
            Error::CutShort => {
                "the request ended before it was complete: if it is too large here, push in parts"
            }
            Error::RepositoryFull => "the repository has reached its size limit",
            Error::NothingSelected => "no commits selected for shallow requests",
            Error::InputTooLarge => "the pack exceeds the maximum allowed size",
            Error::NoSetting => "there is no setting of that name",
            Error::BadSetting => "that is no value of this setting",
            Error::BadBranch => "that is no name for a branch",
            Error::TagsTooDeep => "too many tags of tags lead to one another",
            Error::Busy => "too many pushes at once: try again",
            Error::Overtaken => {
                "this took so long that what it reads was replaced meanwhile: try again"
            }
            Error::Corrupt => "the repository's stored data is damaged",
        }
    }

    pub fn blame(self) -> Blame {
        match self {
            Error::Corrupt | Error::Busy | Error::Overtaken => Blame::Store,
            _ => Blame::Peer,
        }
    }
}
