//! Nonces for those who sign what they push (git-config, `receive.certNonceSeed`). Verifies no
//! signature: who reads the log does.

use crate::hash::hmac;
use crate::store::settings::{Key, cut, number};
use crate::store::{Store, decimal};
use crate::wire::certificate::values;
use alloc::vec::Vec;

/// The nonce of a moment: its seconds, and what only who has the seed can make of them. `None`:
/// there is no seed, so certificates are not asked for.
pub fn nonce(store: &Store, time: u64) -> Option<Vec<u8>> {
    let seed = Some(store.setting(Key::CertNonceSeed)).filter(|seed| !seed.is_empty())?;
    let mut digits = [0; 20];
    let time = decimal(time, &mut digits);
    // The path by which git's http-backend knows any repository.
    let code = hmac(store.format(), seed, &[b".:", time].concat()).ok()?;
    Some([time, b"-", &code.to_hex()].concat())
}

/// What a certificate's nonce is worth at a time, in git's words.
pub fn status(store: &Store, head: &[u8], time: u64) -> &'static [u8] {
    let Some(found) = values(head, b"nonce").next() else { return b"MISSING" };
    let stamp = number(cut(found, b'-').0).unwrap_or(0);
    let Some(expect) = nonce(store, stamp) else { return b"UNSOLICITED" };
    // In constant time: it tells nobody how much was guessed.
    let unlike = expect.iter().zip(found).fold(0, |all, (one, other)| all | one ^ other);
    let age = time.abs_diff(stamp);
    match expect.len() == found.len() && unlike == 0 && stamp > 0 {
        false => b"BAD",
        true if age <= store.number(Key::CertNonceSlop) => b"OK",
        true => b"SLOP",
    }
}
