//! TCP connections between the hosts of a lab.

use std::{
    io::{Read, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use anyhow::{Context, Result};

use crate::Node;

/// How long a connection that can come about may take: some retransmissions.
const TIMEOUT: Duration = Duration::from_secs(8);

/// Listens on a node, at all its addresses of a family, and tells each client which address it
/// comes from. Ends when it is dropped.
#[derive(Debug)]
pub struct Server {
    node: Node,
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Starts to listen for the family of `like`.
    ///
    /// # Errors
    /// The port is in use.
    pub fn start(node: &Node, like: IpAddr, port: u16) -> Result<Self> {
        let any = match like {
            IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            IpAddr::V6(_) => IpAddr::from(Ipv6Addr::UNSPECIFIED),
        };
        let listener = node.namespace().enter(|| Ok(TcpListener::bind((any, port))?))?;
        let stop = Arc::new(AtomicBool::new(false));
        let thread = thread::spawn({
            let stop = Arc::clone(&stop);
            move || {
                while let Ok((mut client, from)) = listener.accept() {
                    if stop.load(Ordering::Relaxed) {
                        return;
                    }
                    // A client that has gone has its reasons.
                    let _ = write!(client, "{}", from.ip());
                }
            }
        });
        let home = match like {
            IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(_) => IpAddr::from(Ipv6Addr::LOCALHOST),
        };
        let address = SocketAddr::new(home, port);
        Ok(Self { node: node.clone(), address, stop, thread: Some(thread) })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // Wakes the thread. If the namespace is gone, the thread is left to the end of the process.
        let address = self.address;
        let woken =
            self.node.namespace().enter(|| Ok(TcpStream::connect_timeout(&address, TIMEOUT)?));
        if let (Ok(_), Some(thread)) = (woken, self.thread.take()) {
            // A panic of the thread has been printed where it happened.
            let _ = thread.join();
        }
    }
}

/// Connects from `node` to a [`Server`], and returns the address that the server sees it come from.
///
/// # Errors
/// No connection came about in a few seconds, or it was refused; the error tells which.
pub fn connect(node: &Node, to: SocketAddr) -> Result<IpAddr> {
    connect_within(node, to, TIMEOUT)
}

/// The same with the time that it may take.
///
/// # Errors
/// As [`connect`].
pub fn connect_within(node: &Node, to: SocketAddr, timeout: Duration) -> Result<IpAddr> {
    node.namespace().enter(|| {
        let mut stream = TcpStream::connect_timeout(&to, timeout)
            .with_context(|| format!("no connection to {to}"))?;
        stream.set_read_timeout(Some(timeout))?;
        stream.shutdown(Shutdown::Write)?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer.parse()?)
    })
}
