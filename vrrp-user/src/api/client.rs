//! The command line's end of the socket.

use std::{
    io::{self, BufRead, BufReader, ErrorKind, Write},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    time::Duration,
};

use rustix::io::Errno;

use super::{
    Event, Reloaded, RouterStatus,
    wire::{Answer, Request, socket_path},
};

/// A daemon that has nothing else to do answers at once.
const STATUS_PATIENCE: Duration = Duration::from_secs(5);
/// Stopping includes removing all addresses.
const STOP_PATIENCE: Duration = Duration::from_secs(30);
/// A large file takes a while to read, and many virtual routers to change.
const RELOAD_PATIENCE: Duration = Duration::from_secs(60);

/// Why a command got no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// Nobody listens: not started, or started with another runtime directory.
    #[error("no daemon answers at {}: is xvrrp running with --runtime-dir {}?", socket.display(), dir.display())]
    NoDaemon {
        /// The socket.
        socket: PathBuf,
        /// The runtime directory that was asked for.
        dir: PathBuf,
    },
    /// The socket is not for this user.
    #[error("not allowed to use {}: try again as root", .0.display())]
    NotAllowed(PathBuf),
    /// The daemon is there but does not answer: it hangs.
    #[error("the daemon at {} gave no answer within {} s", socket.display(), patience.as_secs())]
    NoAnswer {
        /// The socket.
        socket: PathBuf,
        /// How long we waited.
        patience: Duration,
    },
    /// The connection broke before the answer.
    #[error("the daemon at {} closed the connection without an answer", .0.display())]
    Closed(PathBuf),
    /// The daemon ended while its events were followed.
    #[error("the daemon at {} has ended", .0.display())]
    Ended(PathBuf),
    /// Any other failure of the socket.
    #[error("cannot talk to the daemon at {}: {errno}", socket.display())]
    Socket {
        /// The socket.
        socket: PathBuf,
        /// The kernel's answer.
        errno: Errno,
    },
    /// The daemon says that it cannot do this, such as one of another version, or has done it badly.
    #[error("the daemon says: {0}")]
    Refused(String),
    /// The daemon's answer makes no sense to us; it may be of another version.
    #[error("the daemon's answer cannot be understood: {0}")]
    Answer(String),
}

/// The virtual routers of the daemon with the runtime directory `dir`. Blocks up to 5 s.
pub fn status(dir: &Path) -> Result<Vec<RouterStatus>, ClientError> {
    match request(dir, Request::Status, STATUS_PATIENCE)? {
        Answer::Status(routers) => Ok(routers),
        other => Err(unexpected(other)),
    }
}

/// Has the daemon with the runtime directory `dir` read its configuration again and go on with it.
/// Blocks until that is done, up to a minute. [`ClientError::Refused`] says why nothing has changed.
pub fn reload(dir: &Path) -> Result<Reloaded, ClientError> {
    match request(dir, Request::Reload, RELOAD_PATIENCE)? {
        Answer::Reloaded(reloaded) => Ok(reloaded),
        other => Err(unexpected(other)),
    }
}

/// Stops the daemon with the runtime directory `dir`. Blocks until it has stopped, up to 30 s.
pub fn stop(dir: &Path) -> Result<(), ClientError> {
    match request(dir, Request::Stop, STOP_PATIENCE)? {
        Answer::Stopped {} => Ok(()),
        other => Err(unexpected(other)),
    }
}

/// Ends the daemon with the runtime directory `dir` and leaves its addresses, and the leases under
/// which the kernel program answers for them, to the next one. Blocks until that is done, up to 30 s.
pub fn hand_over(dir: &Path) -> Result<(), ClientError> {
    match request(dir, Request::Handover, STOP_PATIENCE)? {
        Answer::Stopped {} => Ok(()),
        other => Err(unexpected(other)),
    }
}

/// Follows what happens in the daemon with the runtime directory `dir`, with `adverts` each advert,
/// too. Blocks up to 5 s.
pub fn events(dir: &Path, adverts: bool) -> Result<Events, ClientError> {
    let follow = || {
        let mut reader = BufReader::new(send(dir, Request::Events { adverts }, STATUS_PATIENCE)?);
        // The states come at once; after them nothing may happen for a long time.
        reader.fill_buf()?;
        reader.get_ref().set_read_timeout(None)?;
        Ok(reader)
    };
    let reader = follow().map_err(|error| explain(&error, dir, STATUS_PATIENCE))?;
    Ok(Events { reader, dir: dir.to_owned() })
}

/// The events of a daemon, first the state of each virtual router. Without end, but for an error: at
/// last [`ClientError::Ended`].
#[derive(Debug)]
pub struct Events {
    reader: BufReader<UnixStream>,
    dir: PathBuf,
}

impl Iterator for Events {
    type Item = Result<Event, ClientError>;

    /// Blocks until something happens.
    fn next(&mut self) -> Option<Self::Item> {
        let mut line = String::new();
        Some(match self.reader.read_line(&mut line) {
            Ok(0) => Err(ClientError::Ended(socket_path(&self.dir))),
            Ok(_) => understand(&line).and_then(|answer| match answer {
                Answer::Event(event) => Ok(event),
                other => Err(unexpected(other)),
            }),
            Err(error) => Err(explain(&error, &self.dir, STATUS_PATIENCE)),
        })
    }
}

fn unexpected(answer: Answer) -> ClientError {
    match answer {
        Answer::Error(message) => ClientError::Refused(message),
        Answer::Status(_) => ClientError::Answer("it is a status".to_owned()),
        Answer::Event(_) => ClientError::Answer("it is an event".to_owned()),
        Answer::Reloaded(_) => ClientError::Answer("it is that of a reload".to_owned()),
        Answer::Stopped {} => ClientError::Answer("it is that of a stop".to_owned()),
    }
}

fn request(dir: &Path, request: Request, patience: Duration) -> Result<Answer, ClientError> {
    let line = exchange(dir, request, patience).map_err(|error| explain(&error, dir, patience))?;
    if line.is_empty() {
        return Err(ClientError::Closed(socket_path(dir)));
    }
    understand(&line)
}

fn understand(line: &str) -> Result<Answer, ClientError> {
    serde_json::from_str(line).map_err(|error| ClientError::Answer(error.to_string()))
}

fn exchange(dir: &Path, request: Request, patience: Duration) -> io::Result<String> {
    let stream = send(dir, request, patience)?;
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer)?;
    Ok(answer)
}

fn send(dir: &Path, request: Request, patience: Duration) -> io::Result<UnixStream> {
    let mut stream = UnixStream::connect(socket_path(dir))?;
    stream.set_read_timeout(Some(patience))?;
    stream.set_write_timeout(Some(patience))?;
    let mut line = serde_json::to_vec(&request)?;
    line.push(b'\n');
    stream.write_all(&line)?;
    Ok(stream)
}

fn explain(error: &io::Error, dir: &Path, patience: Duration) -> ClientError {
    let socket = socket_path(dir);
    match error.kind() {
        ErrorKind::NotFound | ErrorKind::ConnectionRefused => {
            ClientError::NoDaemon { socket, dir: dir.to_owned() }
        }
        ErrorKind::PermissionDenied => ClientError::NotAllowed(socket),
        ErrorKind::WouldBlock | ErrorKind::TimedOut => ClientError::NoAnswer { socket, patience },
        ErrorKind::BrokenPipe | ErrorKind::ConnectionReset => ClientError::Closed(socket),
        _ => ClientError::Socket {
            socket,
            // EIO for the few errors that do not come from the kernel.
            errno: Errno::from_io_error(error).unwrap_or(Errno::IO),
        },
    }
}
