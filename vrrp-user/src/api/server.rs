//! The daemon's end of the socket.

use std::{
    fs::{self, Permissions},
    future::Future,
    io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use tokio::{
    io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{UnixListener, UnixStream},
    sync::{broadcast::error::RecvError, watch},
    task::JoinSet,
    time::timeout,
};

use super::{
    Event, Following, Reloaded, RouterStatus, What, timestamp,
    wire::{Answer, MAX_REQUEST, Request, socket_path},
};

/// Connections served at a time; further ones wait in the kernel's queue.
const CONNECTIONS: usize = 64;
/// How long a client may take over a request, or over reading its answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long the last answers may take when the daemon ends.
const FAREWELL: Duration = Duration::from_secs(1);
/// How long to wait before accepting again when file descriptors have run out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What the socket's clients may ask of the daemon.
pub trait Daemon: Send + Sync + 'static {
    /// All virtual routers, in the order of the configuration.
    fn status(&self) -> impl Future<Output = Vec<RouterStatus>> + Send;

    /// What happens from now on, with `adverts` each advert, too. `None` when the daemon is on its
    /// way out.
    fn events(&self, adverts: bool) -> impl Future<Output = Option<Following>> + Send;

    /// Reads the configuration again and goes on with it. Ready when that is done; an error says why
    /// nothing has changed.
    fn reload(&self) -> impl Future<Output = Result<Reloaded, String>> + Send;

    /// Ends the daemon's work in good order. Ready when that is done: lease closed, priority 0
    /// sent, addresses removed; `false` when it could not be done in good order. May be called more than
    /// once.
    fn stop(&self) -> impl Future<Output = bool> + Send;

    /// Ends the daemon without a word to the others: addresses and leases stay for the next one.
    /// Ready when that is done; `false` when nothing is left for the next one. May be called more than
    /// once.
    fn hand_over(&self) -> impl Future<Output = bool> + Send;
}

/// The listening socket; its file is removed when the value is dropped.
#[derive(Debug)]
pub struct Server {
    listener: UnixListener,
    path: PathBuf,
}

impl Server {
    /// Listens on `xvrrp.sock` in `dir`, mode 0600. The caller has
    /// [claimed](crate::host::RuntimeDir) `dir`, so a socket that is there already belongs to a
    /// dead daemon and is replaced.
    pub fn bind(dir: &Path) -> io::Result<Self> {
        let path = socket_path(dir);
        // Under its own name only with its final mode.
        let new = path.with_extension("sock.new");
        match fs::remove_file(&new) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(&new)?;
        fs::set_permissions(&new, Permissions::from_mode(0o600))?;
        fs::rename(&new, &path)?;
        Ok(Self { listener, path })
    }

    /// Serves clients until `shutdown` is ready, then delivers the answers that are due and closes
    /// all connections, within a second.
    pub async fn run(self, daemon: impl Daemon, shutdown: impl Future<Output = ()>) {
        let daemon = Arc::new(daemon);
        let (closing, closed) = watch::channel(());
        let mut connections = JoinSet::new();
        tokio::pin!(shutdown);
        loop {
            tokio::select! {
                () = &mut shutdown => break,
                Some(_) = connections.join_next() => {}
                accepted = self.listener.accept(), if connections.len() < CONNECTIONS => {
                    match accepted {
                        Ok((stream, _)) => {
                            let connection = serve(stream, Arc::clone(&daemon), closed.clone());
                            connections.spawn(connection);
                        }
                        Err(error) => {
                            tracing::warn!("cannot accept a client: {error}");
                            tokio::time::sleep(ACCEPT_PAUSE).await;
                        }
                    }
                }
            }
        }
        drop(closing);
        let farewell = async { while connections.join_next().await.is_some() {} };
        // Whoever has not read an answer by now is cut off.
        let _ = timeout(FAREWELL, farewell).await;
    }
}

/// Removes the socket file of a daemon that is gone.
pub fn remove_socket(dir: &Path) -> io::Result<()> {
    match fs::remove_file(socket_path(dir)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.path) {
            tracing::debug!("cannot remove {}: {error}", self.path.display());
        }
    }
}

/// Answers the requests of one client until it goes, breaks the rules, or asked us to stop.
async fn serve(stream: UnixStream, daemon: Arc<impl Daemon>, mut closed: watch::Receiver<()>) {
    let (reader, mut writer) = stream.into_split();
    let mut reader = BufReader::new(reader);
    loop {
        let line = tokio::select! {
            line = timeout(PATIENCE, read_line(&mut reader)) => line,
            _ = closed.changed() => return,
        };
        let (answer, last) = match line {
            Ok(Ok(Line::Complete(line))) => match serde_json::from_slice(&line) {
                Ok(Request::Events { adverts }) => {
                    let following = daemon.events(adverts).await;
                    // Nobody waits for its end.
                    let _ = follow(following, &mut reader, &mut writer, &mut closed).await;
                    return;
                }
                Ok(Request::Status) => (Answer::Status(daemon.status().await), false),
                Ok(Request::Reload) => {
                    let outcome = daemon.reload().await;
                    (outcome.map_or_else(Answer::Error, Answer::Reloaded), false)
                }
                Ok(Request::Stop) => (ended(daemon.stop().await), true),
                Ok(Request::Handover) => (ended(daemon.hand_over().await), true),
                Err(error) => (Answer::Error(format!("not a request: {error}")), false),
            },
            Ok(Ok(Line::TooLong)) => {
                let limit = format!("request longer than {MAX_REQUEST} octets");
                (Answer::Error(limit), true)
            }
            // Gone, or silent for too long.
            Ok(Ok(Line::End) | Err(_)) | Err(_) => return,
        };
        match timeout(PATIENCE, write_line(&mut writer, &answer)).await {
            Ok(Ok(())) if !last => {}
            _ => return,
        }
    }
}

fn ended(well: bool) -> Answer {
    if well {
        Answer::Stopped {}
    } else {
        Answer::Error("it has ended, but not in good order: see its log".to_owned())
    }
}

/// Passes events on until the client goes or says another word, or the daemon ends. A client that
/// does not read keeps nobody waiting: what it misses meanwhile is counted for it.
async fn follow(
    following: Option<Following>,
    reader: &mut (impl AsyncBufRead + Unpin),
    writer: &mut (impl AsyncWriteExt + Unpin),
    closed: &mut watch::Receiver<()>,
) -> io::Result<()> {
    let Some(Following { states, mut events }) = following else { return Ok(()) };
    for state in states {
        write_line(writer, &Answer::Event(state)).await?;
    }
    loop {
        let received = tokio::select! {
            // What is due goes out before the end.
            biased;
            received = events.recv() => received,
            _ = reader.fill_buf() => return Ok(()),
            _ = closed.changed() => return Ok(()),
        };
        let event = match received {
            Ok(event) => Arc::unwrap_or_clone(event),
            Err(RecvError::Lagged(count)) => {
                Event { at: timestamp(SystemTime::now()), what: What::Lost { count } }
            }
            Err(RecvError::Closed) => return Ok(()),
        };
        write_line(writer, &Answer::Event(event)).await?;
    }
}

#[derive(Debug, PartialEq)]
enum Line {
    /// With or, at the end of the stream, without its newline.
    Complete(Vec<u8>),
    TooLong,
    End,
}

async fn read_line(reader: &mut (impl AsyncBufRead + Unpin)) -> io::Result<Line> {
    let mut line = Vec::new();
    let limit = MAX_REQUEST as u64 + 1;
    let length = reader.take(limit).read_until(b'\n', &mut line).await?;
    Ok(match length {
        0 => Line::End,
        _ if length > MAX_REQUEST => Line::TooLong,
        _ => Line::Complete(line),
    })
}

async fn write_line(writer: &mut (impl AsyncWriteExt + Unpin), answer: &Answer) -> io::Result<()> {
    let mut line = serde_json::to_vec(answer)?;
    line.push(b'\n');
    writer.write_all(&line).await
}

#[cfg(test)]
#[path = "server_tests.rs"]
mod tests;
