//! A private network namespace with the veth pair `a` and `b` for one test.

use std::{
    io::Write,
    process::{Command, Stdio},
    thread,
};

use futures_util::StreamExt;
use xvrrp::host::{Host, Link, watch};

/// Runs `test` on a thread of its own in a new network namespace, where `a` and `b` are up. The
/// namespace goes with the thread.
///
/// # Panics
///
/// Without root's privileges, without `ip`, and with the panic of `test`.
pub(crate) fn in_namespace<F: Future<Output = ()>>(test: impl FnOnce() -> F + Send) {
    let run = || {
        unshare_network();
        stay_on_this_processor();
        ip(&["link add name a type veth peer name b", "link set dev a up", "link set dev b up"]);
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
            .block_on(test());
    };
    let result = thread::scope(|scope| scope.spawn(run).join());
    if let Err(panic) = result {
        std::panic::resume_unwind(panic);
    }
}

/// The interface `name` once frames can leave through it. The kernel finishes that some time after
/// `ip link set … up` has returned, and drops what is sent before.
///
/// # Panics
///
/// If there is no such interface.
#[allow(dead_code, reason = "not every test file uses it")]
pub(crate) async fn running(name: &str) -> Link {
    let mut changes = watch().unwrap();
    let host = Host::new().unwrap();
    loop {
        let link = host.link(name).await.unwrap().expect("the interface exists");
        if link.carrier {
            return link;
        }
        changes.next().await.expect("the watch goes on");
    }
}

/// Runs `commands` through `ip -batch` in the namespace of the calling thread.
///
/// # Panics
///
/// If one of them fails.
pub(crate) fn ip(commands: &[impl AsRef<str>]) {
    let mut child = Command::new("ip")
        .args(["-batch", "-"])
        .stdin(Stdio::piped())
        .spawn()
        .expect("`ip` of iproute2 is needed");
    let mut stdin = child.stdin.take().unwrap();
    for command in commands {
        writeln!(stdin, "{}", command.as_ref()).unwrap();
    }
    drop(stdin);
    assert!(child.wait().unwrap().success(), "ip failed");
}

/// Runs `ip` with `arguments` in the namespace of the calling thread.
///
/// # Panics
///
/// If it does not say `expected`.
#[allow(dead_code, reason = "not every test file uses it")]
pub(crate) fn expect_line(arguments: &str, expected: &str) {
    let output = Command::new("ip").args(arguments.split(' ')).output();
    let output = output.expect("`ip` of iproute2 is needed");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains(expected), "ip {arguments}: {text}");
}

#[expect(unsafe_code, reason = "unshare has no safe wrapper")]
fn unshare_network() {
    // SAFETY: gives the calling thread another network namespace; no memory is concerned.
    let result = unsafe { libc::unshare(libc::CLONE_NEWNET) };
    let error = std::io::Error::last_os_error();
    assert_eq!(result, 0, "this test must run as root: {error}");
}

/// A veth pair queues frames per processor: a sender that moves between two can be overtaken by
/// its own frames.
#[expect(unsafe_code, reason = "sched_setaffinity has no safe wrapper")]
fn stay_on_this_processor() {
    // SAFETY: the set is a plain array of bits that lives on this stack frame, and its size is
    // passed along; sched_getcpu has no preconditions.
    let result = unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(libc::sched_getcpu().try_into().expect("a processor number"), &mut set);
        libc::sched_setaffinity(0, size_of_val(&set), &raw const set)
    };
    assert_eq!(result, 0, "{}", std::io::Error::last_os_error());
}
