//! Web servers on the nodes, and curl that asks for their page again and again.

mod curl;
mod service;

use std::{fmt, fs, process::Command, time::Duration};

use anyhow::{Context, Result};

use crate::{Node, Process, output_of, wait_until};

pub use curl::Curl;
pub use service::{Policy, Service, config};

/// How long a server may take to start.
const PATIENCE: Duration = Duration::from_secs(10);

/// A web server from Debian.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Server {
    /// A master and a worker.
    Nginx,
    /// One process.
    Haproxy,
}

impl Server {
    /// The command that runs it on `node`, in the foreground: the program and its arguments. Its page is
    /// the node's address.
    ///
    /// # Errors
    /// Its files cannot be written.
    pub fn command_line(self, node: &Node) -> Result<Vec<String>> {
        let dir = node.dir();
        let (program, config, more) = match self {
            Self::Nginx => ("nginx", nginx(node), None),
            Self::Haproxy => ("haproxy", haproxy(node), Some("-db")),
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

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nginx => "nginx",
            Self::Haproxy => "HAProxy",
        })
    }
}

fn haproxy(node: &Node) -> String {
    format!(
        "defaults\n mode http\n timeout connect 1s\n timeout client 1s\n timeout server 1s\n\
         frontend web\n bind :80\n \
         http-request return status 200 content-type text/plain string {}\n",
        node.address()
    )
}

fn nginx(node: &Node) -> String {
    let (dir, page) = (node.dir().display(), node.address());
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("{kind}_temp_path {dir}/{kind};\n"))
        .concat();
    format!(
        "daemon off;\nworker_processes 1;\npid {dir}/nginx.pid;\nerror_log stderr;\nuser root;\n\
         events {{}}\nhttp {{\naccess_log off;\n{temporary}\
         server {{\nlisten 80;\nlocation / {{\nreturn 200 {page};\n}}\n}}\n}}\n"
    )
}
