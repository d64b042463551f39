//! Web servers on the nodes, and a client that asks for a page again and again.

use std::{
    fs,
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, SystemTime},
};

use anyhow::{Context, Result, anyhow, ensure};

use crate::{Node, Process, output_of, wait_until};

/// How long a server may take to start.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long an answer may take: a lost packet is repeated after a second, and by then this client has
/// asked again.
const TIMEOUT: Duration = Duration::from_millis(100);
/// From question to question.
const PERIOD: Duration = Duration::from_millis(10);
const PORT: u16 = 80;

/// A web server from Debian.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Server {
    /// A master and a worker.
    Nginx,
    /// One process.
    Haproxy,
}

impl Server {
    /// The command that runs it on `node`, in the foreground: the program and its arguments.
    ///
    /// # Errors
    /// Its files cannot be written.
    pub fn command_line(self, node: &Node) -> Result<Vec<String>> {
        let dir = node.dir();
        let (program, config, more) = match self {
            Self::Nginx => ("nginx", nginx(&dir.display().to_string()), None),
            Self::Haproxy => ("haproxy", HAPROXY.to_owned(), Some("-db")),
        };
        let file = dir.join(program).with_extension("conf");
        fs::write(&file, config).with_context(|| format!("cannot write {}", file.display()))?;
        let (option, file) = match self {
            Self::Nginx => ("-c", file),
            Self::Haproxy => ("-f", file),
        };
        let words = [format!("/usr/sbin/{program}"), option.into(), file.display().to_string()];
        Ok(words.into_iter().chain(more.map(str::to_owned)).collect())
    }

    /// Starts it on `node`, at port 80 of all addresses, and waits until it answers.
    ///
    /// # Errors
    /// It is not installed, or does not answer.
    pub fn start(self, node: &Node) -> Result<Process> {
        let words = self.command_line(node)?;
        let mut command = node.command(&words[0]);
        command.args(&words[1..]);
        let server = node.spawn(&words[0], command)?;
        let curl = || {
            let mut curl: Command = node.command("curl");
            curl.args(["--silent", "--fail", "--output", "/dev/null", "http://127.0.0.1/"]);
            Ok(output_of(&mut curl).is_ok())
        };
        wait_until("a web server answers", PATIENCE, curl)?;
        Ok(server)
    }
}

const HAPROXY: &str = "defaults\n mode http\n timeout connect 1s\n timeout client 1s\n timeout server 1s\n\
    frontend web\n bind :80\n http-request return status 200 content-type text/plain string here\n";

fn nginx(dir: &str) -> String {
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("{kind}_temp_path {dir}/{kind};\n"))
        .concat();
    format!(
        "daemon off;\nworker_processes 1;\npid {dir}/nginx.pid;\nerror_log stderr;\nuser root;\n\
         events {{}}\nhttp {{\naccess_log off;\n{temporary}\
         server {{\nlisten 80;\nlocation / {{\nreturn 200 here;\n}}\n}}\n}}\n"
    )
}

/// A client that asks one address for a page, each time on a new connection, until
/// [`Fetches::finish`].
#[derive(Debug)]
pub struct Fetches {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Vec<Fetch>>,
}

/// One question.
#[derive(Clone, Copy, Debug)]
pub struct Fetch {
    /// When it was asked.
    pub at: SystemTime,
    /// Whether it was answered with status 200.
    pub answered: bool,
}

impl Fetches {
    /// Starts to ask `address` from `client`.
    ///
    /// # Errors
    /// There is no answer at first.
    pub fn start(client: &Node, address: Ipv4Addr) -> Result<Self> {
        let to = SocketAddr::from((address, PORT));
        let ask = move || fetch(to).is_ok();
        wait_until("a page", PATIENCE, || client.namespace().enter(|| Ok(ask())))?;
        let (stop, node) = (Arc::new(AtomicBool::new(false)), client.clone());
        let thread = thread::spawn({
            let stop = Arc::clone(&stop);
            move || {
                let mut fetches = Vec::new();
                let ask_all = || {
                    while !stop.load(Ordering::Relaxed) {
                        let at = SystemTime::now();
                        fetches.push(Fetch { at, answered: ask() });
                        thread::sleep(PERIOD);
                    }
                    Ok(())
                };
                // Its only error comes before the first question, and then there are no answers.
                let _ = node.namespace().enter(ask_all);
                fetches
            }
        });
        Ok(Self { stop, thread })
    }

    /// Ends, and returns all that was asked.
    ///
    /// # Errors
    /// The thread has panicked, or asked nothing.
    pub fn finish(self) -> Result<Vec<Fetch>> {
        self.stop.store(true, Ordering::Relaxed);
        let fetches = self.thread.join().map_err(|_| anyhow!("panic in a fetching thread"))?;
        ensure!(!fetches.is_empty(), "nothing was asked");
        Ok(fetches)
    }
}

/// The longest time without an answer: from the first question that was not answered to the next one
/// that was. `None` if all were; an error if the last one was not.
///
/// # Errors
/// The last question was not answered.
pub fn longest_outage(fetches: &[Fetch]) -> Result<Option<Duration>> {
    let (mut since, mut longest) = (None, None);
    for fetch in fetches {
        if !fetch.answered {
            since = since.or(Some(fetch.at));
        } else if let Some(since) = since.take() {
            longest = longest.max(fetch.at.duration_since(since).ok());
        }
    }
    ensure!(since.is_none(), "no answer at the end");
    Ok(longest)
}

fn fetch(to: SocketAddr) -> Result<()> {
    let mut stream = TcpStream::connect_timeout(&to, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n")?;
    let mut answer = [0; 15];
    stream.read_exact(&mut answer)?;
    ensure!(answer[9..12] == *b"200", "another status");
    Ok(())
}
