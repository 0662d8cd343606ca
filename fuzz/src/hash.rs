//! SHA-1 with collision detection, compared with another implementation.

use crate::split;
use engine::hash::{Format, Hasher};
use sha1_checked::Digest;
use sha1_checked::Sha1 as Checked;

/// What is received is hashed, and an attack seen, as by the code that git's own detection comes
/// from.
pub fn collision(data: &[u8]) {
    let Some(([piece], content)) = split(data) else { return };
    let mut ours = Hasher::received(Format::Sha1);
    content.chunks(usize::from(piece) + 1).for_each(|piece| ours.update(piece));
    let mut theirs = Checked::builder().safe_hash(false).build();
    theirs.update(content);
    let theirs = theirs.try_finalize();
    match ours.finish() {
        Ok(oid) => {
            assert!(!theirs.has_collision(), "an attack was missed");
            assert_eq!(oid.as_bytes(), &theirs.hash()[..]);
        }
        Err(_) => assert!(theirs.has_collision(), "there was no attack"),
    }
}
