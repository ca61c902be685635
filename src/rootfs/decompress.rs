//! Which compression an archive has, told by its content, and how it is undone.

use std::io::{self, BufRead, Read};

use flate2::bufread::MultiGzDecoder;
use lzma_rust2::XzReader;
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

/// How a tar archive is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Plain,
    Gzip,
    Xz,
    Zstd,
}

/// Tells the format by the first bytes, without consuming them. What is no format that is
/// supported comes with its name, if it has one.
pub(super) fn detect(input: &mut impl BufRead) -> io::Result<Result<Format, Option<&'static str>>> {
    let head = input.fill_buf()?;
    Ok(match head {
        [0x1f, 0x8b, ..] => Ok(Format::Gzip),
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Ok(Format::Xz),
        [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Ok(Format::Zstd),
        [b'B', b'Z', b'h', b'1'..=b'9', ..] => Err(Some("an archive compressed with bzip2")),
        [b'P', b'K', 3, 4, ..] => Err(Some("a zip archive")),
        [b'h', b's', b'q', b's', ..] => Err(Some("a squashfs image")),
        head if is_tar(head) => Ok(Format::Plain),
        _ => Err(None),
    })
}

/// Whether a tar header begins here: the old format has no magic, but a checksum.
fn is_tar(head: &[u8]) -> bool {
    let Some(block) = head.get(..512) else { return false };
    if block.iter().all(|byte| *byte == 0) {
        // An empty archive: nothing but the end marker.
        return true;
    }
    let header = tar::Header::from_byte_slice(block);
    let sum: u32 = block
        .iter()
        .enumerate()
        .map(|(at, byte)| if (148..156).contains(&at) { u32::from(b' ') } else { u32::from(*byte) })
        .sum();
    header.cksum().is_ok_and(|expected| expected == sum)
}

/// The archive without its compression. Reading to the end checks the checksums.
pub(super) fn reader<'a>(format: Format, input: impl BufRead + 'a) -> Box<dyn Read + 'a> {
    match format {
        Format::Plain => Box::new(input),
        Format::Gzip => Box::new(MultiGzDecoder::new(input)),
        Format::Xz => Box::new(XzReader::new(input, true)),
        Format::Zstd => Box::new(Zstd { input, decoder: FrameDecoder::new(), within: false }),
    }
}

/// All frames of a zstd stream, one after the other (RFC 8878, 3: frames are independent).
struct Zstd<R> {
    input: R,
    decoder: FrameDecoder,
    within: bool,
}

impl<R: BufRead> Read for Zstd<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        while !buf.is_empty() {
            if self.within {
                while self.decoder.can_collect() < buf.len() && !self.decoder.is_finished() {
                    let missing = buf.len() - self.decoder.can_collect();
                    self.decoder
                        .decode_blocks(&mut self.input, BlockDecodingStrategy::UptoBytes(missing))
                        .map_err(invalid)?;
                }
                let count = self.decoder.read(buf)?;
                if count > 0 {
                    return Ok(count);
                }
                let expected = self.decoder.get_checksum_from_data();
                if expected.is_some() && expected != self.decoder.get_calculated_checksum() {
                    return Err(invalid("zstd checksum mismatch"));
                }
                self.within = false;
            } else {
                if self.input.fill_buf()?.is_empty() {
                    return Ok(0);
                }
                match self.decoder.init(&mut self.input) {
                    Ok(()) => self.within = true,
                    Err(FrameDecoderError::ReadFrameHeaderError(
                        ReadFrameHeaderError::SkipFrame { length, .. },
                    )) => skip(&mut self.input, u64::from(length))?,
                    Err(error) => return Err(invalid(error)),
                }
            }
        }
        Ok(0)
    }
}

fn skip(input: &mut impl BufRead, length: u64) -> io::Result<()> {
    if io::copy(&mut input.take(length), &mut io::sink())? < length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(())
}

fn invalid(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}
