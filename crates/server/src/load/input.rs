//! What stands between the bytes of a file and its text: gzip and zstd, told by how they begin, and encodings, told by a byte
//! order mark or a flag.

#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read, Seek as _};

use anyhow::{Context as _, Result, bail};
use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};
use encoding_rs_io::DecodeReaderBytesBuilder;
use flate2::bufread::MultiGzDecoder;
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

/// How gzip begins.
const GZIP: &[u8] = b"\x1f\x8b";
/// How a frame of zstd begins.
const ZSTD: &[u8] = b"\x28\xb5\x2f\xfd";
/// Bytes that tell how an input is written.
const HEAD_BYTES: u64 = 4;

/// Text to read, and whether its characters were made of another encoding than UTF-8.
pub(crate) struct Text<'a> {
    /// UTF-8, or what was given for it.
    pub(crate) reader: Box<dyn Read + 'a>,
    /// Where they were, those that the encoding does not have read as U+FFFD.
    pub(crate) is_transcoded: bool,
}

/// The encoding of this name.
pub(crate) fn encoding(name: &str) -> Result<&'static Encoding> {
    match name.to_ascii_lowercase().as_str() {
        // What calls itself Latin-1 is Windows-1252 in practice, which has the euro sign besides.
        "latin1" | "latin-1" => Ok(WINDOWS_1252),
        "utf-16" | "utf16" | "utf-16le" => Ok(UTF_16LE),
        label => Encoding::for_label(label.as_bytes()).with_context(|| {
            format!("no encoding: {name} (utf-8, latin1, utf-16le, utf-16be, windows-1252 and others)")
        }),
    }
}

/// The bytes that were packed, or those that come where they were not.
pub(crate) fn unpacked<'a>(mut input: impl Read + 'a) -> Result<Box<dyn Read + 'a>> {
    let head = head(&mut input)?;
    let is = |magic: &[u8]| head.starts_with(magic);
    let (is_gzip, is_zstd) = (is(GZIP), is(ZSTD));
    let whole = BufReader::new(Cursor::new(head).chain(input));
    Ok(if is_gzip {
        Box::new(MultiGzDecoder::new(whole))
    } else if is_zstd {
        Box::new(Zstd { source: Some(Source::Between(whole)) })
    } else {
        Box::new(whole)
    })
}

/// The text that these bytes write. A mark at their beginning wins over what was said.
pub(crate) fn text<'a>(mut input: impl Read + 'a, said: Option<&'static Encoding>) -> Result<Text<'a>> {
    let head = head(&mut input)?;
    let (marked, skipped) = match Encoding::for_bom(&head) {
        Some((encoding, bytes)) => (Some(encoding), bytes),
        None => (None, 0),
    };
    if marked.is_none() && said.is_none() && head.len() == 4 && (head[1] == 0 || head[0] == 0) {
        let like = if head[0] == 0 { UTF_16BE } else { UTF_16LE };
        bail!(
            "this looks like {} without a byte order mark: give --encoding {}",
            like.name(),
            like.name().to_lowercase()
        );
    }
    let rest = Cursor::new(head[skipped..].to_vec()).chain(input);
    match marked.or(said).filter(|encoding| *encoding != UTF_8) {
        None => Ok(Text { reader: Box::new(rest), is_transcoded: false }),
        Some(encoding) => {
            let decoder = DecodeReaderBytesBuilder::new().encoding(Some(encoding)).bom_sniffing(false).build(rest);
            Ok(Text { reader: Box::new(decoder), is_transcoded: true })
        }
    }
}

/// What standard input says, as a file that can be read twice and is gone when it is closed.
pub(crate) fn spooled(mut input: impl Read) -> Result<File> {
    let mut file = tempfile::tempfile().context("cannot make a temporary file for what comes in")?;
    io::copy(&mut input, &mut file).context("cannot keep what comes in in a temporary file")?;
    file.rewind().context("cannot read the temporary file from its beginning")?;
    Ok(file)
}

fn head(input: &mut impl Read) -> Result<Vec<u8>> {
    let mut head = Vec::new();
    input.take(HEAD_BYTES).read_to_end(&mut head).context("cannot read its beginning")?;
    Ok(head)
}

/// The frames of a zstd file, one after the other.
struct Zstd<R: BufRead> {
    /// None once it is at its end, or broken.
    source: Option<Source<R>>,
}

enum Source<R: BufRead> {
    Between(R),
    Frame(R, Box<FrameDecoder>),
}

impl<R: BufRead> Read for Zstd<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.source.take() {
                None => return Ok(0),
                Some(Source::Between(mut source)) => {
                    if source.fill_buf()?.is_empty() {
                        return Ok(0);
                    }
                    self.source = Some(next_frame(source)?);
                }
                Some(Source::Frame(mut source, mut decoder)) => {
                    while decoder.can_collect() == 0 && !decoder.is_finished() {
                        let some = BlockDecodingStrategy::UptoBytes(buffer.len().max(1));
                        decoder.decode_blocks(&mut source, some).map_err(io::Error::other)?;
                    }
                    let read = decoder.read(buffer)?;
                    if decoder.is_finished() && decoder.can_collect() == 0 {
                        self.source = Some(Source::Between(source));
                    } else {
                        self.source = Some(Source::Frame(source, decoder));
                    }
                    if read > 0 || buffer.is_empty() {
                        return Ok(read);
                    }
                }
            }
        }
    }
}

/// The next frame, behind one to be skipped if that stands there.
fn next_frame<R: BufRead>(mut source: R) -> io::Result<Source<R>> {
    let mut decoder = FrameDecoder::new();
    match decoder.init(&mut source) {
        Ok(()) => Ok(Source::Frame(source, Box::new(decoder))),
        Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame { length, .. })) => {
            io::copy(&mut source.by_ref().take(length.into()), &mut io::sink())?;
            Ok(Source::Between(source))
        }
        Err(error) => Err(io::Error::other(error)),
    }
}
