//! Files that are packed: gzip, and zstd frame after frame. A frame's window has at most 100 MiB, by the decoder's own bound.

use std::io::{self, BufRead, Read};

use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

/// How a file is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Packing {
    None,
    Gzip,
    Zstd,
}

/// The frames of a zstd file, one after the other.
pub(super) struct Zstd<R> {
    source: R,
    frame: Option<Box<FrameDecoder>>,
}

impl<R: BufRead> Zstd<R> {
    pub(super) fn new(source: R) -> Self {
        Self { source, frame: None }
    }

    /// Begins the next frame, if there is one. One to be skipped is.
    fn begin(&mut self) -> io::Result<bool> {
        while !self.source.fill_buf()?.is_empty() {
            let mut frame = FrameDecoder::new();
            match frame.init(&mut self.source) {
                Ok(()) => {
                    self.frame = Some(Box::new(frame));
                    return Ok(true);
                }
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame { length, .. })) => {
                    io::copy(&mut self.source.by_ref().take(length.into()), &mut io::sink())?;
                }
                Err(error) => return Err(io::Error::other(error)),
            }
        }
        Ok(false)
    }
}

impl<R: BufRead> Read for Zstd<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while !buffer.is_empty() {
            let Some(frame) = &mut self.frame else {
                if self.begin()? {
                    continue;
                }
                break;
            };
            while frame.can_collect() == 0 && !frame.is_finished() {
                let some = BlockDecodingStrategy::UptoBytes(buffer.len());
                frame.decode_blocks(&mut self.source, some).map_err(io::Error::other)?;
            }
            let read = frame.read(buffer)?;
            if frame.is_finished() && frame.can_collect() == 0 {
                self.frame = None;
            }
            if read > 0 {
                return Ok(read);
            }
        }
        Ok(0)
    }
}
