//! Files that a configuration names, and pipes in the place of the first one. Nobody is waited for
//! without end: not for the writer of a FIFO, nor for the next line of `/proc/kmsg`, a regular file.

use std::{
    fs::{self, File, FileType, Metadata, OpenOptions},
    io::{self, ErrorKind, Read},
    os::unix::fs::{FileTypeExt, OpenOptionsExt},
    path::Path,
    time::Duration,
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fs::OFlags,
};

/// How long the writer of a pipe may be silent.
const PATIENCE: Duration = Duration::from_secs(5);

/// Up to `most` bytes of a regular file, and what the kernel says about it. Errors are those of the file,
/// and `InvalidInput` for anything else.
pub(super) fn read(path: &Path, most: u64) -> io::Result<(Vec<u8>, Metadata)> {
    let (file, metadata) = open(path, |kind| kind.is_file())?;
    Ok((read_ready(&file, most)?, metadata))
}

/// The same of a regular file or a pipe, as a shell makes one of `<(command)`.
pub(super) fn read_or_drain(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let (file, metadata) = open(path, |kind| kind.is_file() || kind.is_fifo())?;
    if metadata.is_file() { read_ready(&file, most) } else { drain(&file, most) }
}

/// Opens what is of the right kind, now and when it is open. To open a device can have effects.
fn open(path: &Path, fits: impl Fn(FileType) -> bool) -> io::Result<(File, Metadata)> {
    let check = |metadata: Metadata| match metadata.file_type() {
        kind if fits(kind) => Ok(metadata),
        kind if kind.is_dir() => Err(io::Error::from(ErrorKind::IsADirectory)),
        kind => {
            let message = format!("it is {}, not a regular file", describe(kind));
            Err(io::Error::new(ErrorKind::InvalidInput, message))
        }
    };
    check(fs::metadata(path)?)?;
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(path)?;
    let metadata = check(file.metadata()?)?;
    Ok((file, metadata))
}

fn describe(kind: FileType) -> &'static str {
    if kind.is_fifo() {
        "a FIFO"
    } else if kind.is_socket() {
        "a socket"
    } else {
        "a device"
    }
}

fn read_ready(file: &File, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    match file.take(most).read_to_end(&mut bytes) {
        Ok(_) => Ok(bytes),
        Err(error) if error.kind() == ErrorKind::WouldBlock => {
            Err(io::Error::new(ErrorKind::InvalidInput, "it has no end, as a regular file has"))
        }
        Err(error) => Err(error),
    }
}

fn drain(pipe: &File, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    loop {
        wait_for_writer(pipe)?;
        let left = most.saturating_sub(bytes.len() as u64);
        match pipe.take(left).read_to_end(&mut bytes) {
            Ok(_) => return Ok(bytes),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
}

/// Until there is something to read, or the last writer has gone.
fn wait_for_writer(pipe: &File) -> io::Result<()> {
    let patience = Timespec::try_from(PATIENCE).map_err(io::Error::other)?;
    let mut ready = [PollFd::new(pipe, PollFlags::IN)];
    match rustix::io::retry_on_intr(|| poll(&mut ready, Some(&patience)))? {
        0 => {
            let message = format!("nobody has written to this pipe for {PATIENCE:?}");
            Err(io::Error::new(ErrorKind::TimedOut, message))
        }
        _ => Ok(()),
    }
}
