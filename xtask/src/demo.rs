//! `demo`, `failover`, `bench`, `interop`, `vectors` and `ledger`: build, then become a program of the tests
//! crate.

use std::ffi::OsString;
use std::path::Path;

use anyhow::Result;

use crate::ebpf;
use crate::run::{cargo, command, exec, require_root, run, target_dir};
use crate::setup::{self, User};

/// Shows a failover between two nodes; `arguments` are the demo's own.
pub(crate) fn demo(arguments: &[OsString]) -> Result<()> {
    require_root("the demo")?;
    measure("demo", arguments)
}

/// Measures failovers at the shortest interval; `arguments` are the program's own.
pub(crate) fn failover(arguments: &[OsString]) -> Result<()> {
    require_root("the measurement")?;
    measure("failover", arguments)
}

/// Measures our daemon and keepalived on the same work; `arguments` are the program's own.
pub(crate) fn bench(arguments: &[OsString]) -> Result<()> {
    require_root("the measurement")?;
    setup::install_programs(User::Tests)?;
    measure("bench", arguments)
}

/// Builds and becomes `program`, with the xvrrp that would be installed: it is measured.
fn measure(program: &str, arguments: &[OsString]) -> Result<()> {
    setup::install_programs(User::Demo)?;
    ebpf::build(None)?;
    run(cargo("build")?
        .args(["--release", "--package", "vrrp-user", "--package", "xvrrp-tests"])
        .args(["--bin", "xvrrp", "--bin", program]))?;
    let programs = target_dir()?.join("release");
    exec(command(programs.join(program)).env("XVRRP_BIN", programs.join("xvrrp")).args(arguments))
}

/// Runs the interoperation matrix; `arguments` are its own.
pub(crate) fn interop(arguments: &[OsString]) -> Result<()> {
    require_root("the interoperation matrix")?;
    setup::install_programs(User::Tests)?;
    ebpf::build(None)?;
    run(cargo("build")?
        .args(["--package", "vrrp-user", "--package", "xvrrp-tests"])
        .args(["--bin", "xvrrp", "--bin", "interop"]))?;
    let programs = target_dir()?.join("debug");
    exec(command(programs.join("interop")).env("XVRRP_BIN", programs.join("xvrrp")).args(arguments))
}

/// Runs the test vectors of `file` against the codec, the kernel program and the daemon.
pub(crate) fn vectors(file: &Path) -> Result<()> {
    require_root("running frames through the kernel program")?;
    ebpf::build(None)?;
    setup::install_programs(User::Demo)?;
    run(cargo("build")?
        .args(["--package", "vrrp-user", "--package", "xvrrp-tests"])
        .args(["--bin", "xvrrp", "--bin", "vectors"]))?;
    exec(command(target_dir()?.join("debug/vectors")).arg(file))
}

/// Writes the table of requirements and the tests that prove them.
pub(crate) fn ledger() -> Result<()> {
    ebpf::build(None)?;
    run(cargo("build")?.args(["--package", "xvrrp-tests", "--bin", "ledger"]))?;
    exec(&mut command(target_dir()?.join("debug/ledger")))
}
