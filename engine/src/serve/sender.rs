//! Sends a pack: the search, then the entries, in packets.

use crate::error::Result;
use crate::limits::{EMIT_MAX, STEPS_SILENT};
use crate::store::Store;
use crate::store::export::{Export, Options};
use crate::walk::{Ask, Walk};
use crate::wire::band::{Band, Frame, Writer};
use alloc::vec::Vec;

pub struct Sender {
    state: State,
    writer: Writer,
    ofs_delta: bool,
    /// Messages for people are wanted.
    is_chatty: bool,
    /// Steps of the search.
    steps: usize,
}

enum State {
    Walk(Walk),
    Export(Export),
    Done,
}

impl Sender {
    pub fn new(
        store: &mut Store,
        ask: Ask,
        frame: Frame,
        ofs_delta: bool,
        is_chatty: bool,
    ) -> Result<Sender> {
        let state = State::Walk(Walk::new(store, ask)?);
        Ok(Sender { state, writer: Writer::new(frame), ofs_delta, is_chatty, steps: 0 })
    }

    /// True: the pack was sent, and the end of the stream.
    pub fn pump(&mut self, store: &mut Store, out: &mut Vec<u8>) -> Result<bool> {
        match &mut self.state {
            State::Walk(walk) => {
                if !walk.step(store)? {
                    self.steps += 1;
                    if self.steps.is_multiple_of(STEPS_SILENT) {
                        self.writer.keep_alive(out);
                    }
                    return Ok(false);
                }
                let options = Options { ofs_delta: self.ofs_delta };
                let export = Export::new(store, walk.selection(), options)?;
                if self.is_chatty {
                    let count =
                        crate::store::decimal(u64::from(export.count()), &mut [0; 20]).to_vec();
                    let parts = [&b"Enumerating objects: "[..], &count, b", done.\n"];
                    self.writer.message(out, Band::Progress, &parts);
                }
                self.state = State::Export(export);
            }
            State::Export(export) => {
                let size = EMIT_MAX.saturating_sub(out.len() + 1024);
                let writer = &mut self.writer;
                if export.pump(store, size, &mut |bytes| writer.data(out, bytes))? {
                    self.writer.end(out);
                    self.state = State::Done;
                    return Ok(true);
                }
            }
            State::Done => return Ok(true),
        }
        Ok(false)
    }

    /// The request ends with an error.
    pub fn fail(&mut self, text: &[u8], out: &mut Vec<u8>) {
        self.writer.message(out, Band::Error, &[text]);
    }

    /// `out` was sent and emptied.
    pub fn sent(&mut self) {
        self.writer.close();
    }
}
