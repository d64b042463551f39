//! The programs that tests and demo use, and the Debian packages that have them.
//!
//! No C compiler in the list: without one, cargo could not have linked this program.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Result, bail, ensure};

use crate::run::{command, find, is_root, run};

/// Who needs a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum User {
    /// The demo, and the tests too
    Demo,
    /// The fuzzer, and the tests too
    Fuzz,
    /// The tests only
    Tests,
}

struct Program {
    name: &'static str,
    package: &'static str,
    user: User,
}

const PROGRAMS: &[Program] = &[
    // Builds the namespaces, bridges and veth pairs.
    Program { name: "ip", package: "iproute2", user: User::Demo },
    // A client that asks for a virtual address.
    Program { name: "arping", package: "iputils-arping", user: User::Demo },
    // A client that uses a virtual address.
    Program { name: "ping", package: "iputils-ping", user: User::Demo },
    // The same for IPv6.
    Program { name: "ndisc6", package: "ndisc6", user: User::Tests },
    // Translates addresses on a gateway, and shows what the daemon has nftables do.
    Program { name: "nft", package: "nftables", user: User::Tests },
    // The peer in interoperability tests.
    Program { name: "keepalived", package: "keepalived", user: User::Tests },
    // The other one: vrrpd, which lives outside of PATH.
    Program { name: "vtysh", package: FRR, user: User::Tests },
    // An independent opinion on the frames we send.
    Program { name: "tshark", package: "tshark", user: User::Tests },
    // Makes busy tasks of a real-time class.
    Program { name: "chrt", package: "util-linux", user: User::Tests },
    // Sees whether a stopped daemon left programs, maps or links behind.
    Program { name: "bpftool", package: "bpftool", user: User::Tests },
    // Gives an interface NAPI.
    Program { name: "ethtool", package: "ethtool", user: User::Tests },
    // Measures the memory of a program that ends by itself.
    Program { name: "time", package: "time", user: User::Tests },
    // Keeps processors and memory busy.
    Program { name: "stress-ng", package: "stress-ng", user: User::Tests },
    // Web servers that virtual routers track, and a client.
    Program { name: "nginx", package: NGINX, user: User::Tests },
    Program { name: "haproxy", package: HAPROXY, user: User::Tests },
    Program { name: "curl", package: "curl", user: User::Tests },
    // Measures how much goes through an interface.
    Program { name: "iperf3", package: "iperf3", user: User::Tests },
    // Takes the mails that the daemon sends, with a certificate of its own.
    Program { name: "aiosmtpd", package: "python3-aiosmtpd", user: User::Tests },
    Program { name: "openssl", package: "openssl", user: User::Tests },
    // Compiles libFuzzer.
    Program { name: "c++", package: "g++", user: User::Fuzz },
];

const FRR: &str = "frr";
const NGINX: &str = "nginx";
const HAPROXY: &str = "haproxy";

/// Packages that start a service of their name when they are installed.
const SERVICES: [&str; 3] = [FRR, NGINX, HAPROXY];

/// Installs the packages of the programs that are missing; no service runs because of it.
pub(crate) fn install_programs(user: User) -> Result<()> {
    let needed = || PROGRAMS.iter().filter(|it| user == User::Tests || it.user == user);
    let missing = || needed().filter(|it| find(it.name).is_none());
    let packages: Vec<_> = missing().flat_map(|it| packages(it.package)).collect();
    if packages.is_empty() {
        return Ok(());
    }
    apt_install(&packages)?;
    // Where systemd runs, they do now, and would after each boot.
    if Path::new("/run/systemd/system").exists() {
        for service in SERVICES.iter().filter(|service| packages.contains(service)) {
            run(command("systemctl").args(["disable", "--now", service]))?;
        }
    }
    let absent: Vec<_> = missing().map(|it| it.name).collect();
    ensure!(
        absent.is_empty(),
        "still not found after installing their packages: {}",
        absent.join(", ")
    );
    Ok(())
}

/// Ubuntu has bpftool among the tools of its kernels.
fn packages(package: &'static str) -> Vec<&'static str> {
    let ubuntu = || {
        fs::read_to_string("/etc/os-release")
            .is_ok_and(|it| it.lines().any(|line| line == "ID=ubuntu"))
    };
    if package == "bpftool" && ubuntu() {
        vec!["linux-tools-common", "linux-tools-generic"]
    } else {
        vec![package]
    }
}

/// Installs Debian packages, or says how to do it by hand.
pub(crate) fn apt_install(packages: &[&str]) -> Result<()> {
    let by_hand = format!("apt-get install --no-install-recommends {}", packages.join(" "));
    if find("apt-get").is_none() {
        bail!("this system has no apt-get; install what Debian calls {}", packages.join(", "));
    }
    ensure!(is_root(), "not root; run `sudo {by_hand}`");
    // An index that cannot be refreshed may still be good enough for the packages.
    run(apt().args(["update", "--quiet"])).unwrap_or_else(|error| eprintln!("warning: {error:#}"));
    run(apt().args(["install", "--quiet", "--yes", "--no-install-recommends"]).args(packages))
}

fn apt() -> Command {
    let mut apt = command("apt-get");
    apt.env("DEBIAN_FRONTEND", "noninteractive").args(["--option", "Dpkg::Use-Pty=0"]);
    apt
}
