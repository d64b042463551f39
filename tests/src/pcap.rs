//! The capture file format of tcpdump, with nanoseconds.

use std::time::{SystemTime, UNIX_EPOCH};

/// Magic number of a file with nanoseconds.
const MAGIC_NS: u32 = 0xa1b2_3c4d;
const SNAP_LENGTH: u32 = 65_535;
const LINKTYPE_ETHERNET: u32 = 1;

/// The whole file: its header, then each frame with its time. Frames before 1970 get time 0.
pub(crate) fn file<'a>(frames: impl Iterator<Item = (SystemTime, &'a [u8])>) -> Vec<u8> {
    let mut file = Vec::new();
    words(&mut file, [MAGIC_NS, 2 | 4 << 16, 0, 0, SNAP_LENGTH, LINKTYPE_ETHERNET]);
    for (at, frame) in frames {
        let time = at.duration_since(UNIX_EPOCH).unwrap_or_default();
        let length = frame.len() as u32;
        words(&mut file, [time.as_secs() as u32, time.subsec_nanos(), length, length]);
        file.extend_from_slice(frame);
    }
    file
}

/// Appends words in the byte order that the magic number tells, here little endian.
fn words<const N: usize>(file: &mut Vec<u8>, words: [u32; N]) {
    file.extend(words.into_iter().flat_map(u32::to_le_bytes));
}
