//! `lint`: formatting and clippy; every warning is an error.

use anyhow::Result;

use crate::ebpf;
use crate::run::{ALL_BUT_SPECIAL, cargo, cargo_program, command, root, run};
use crate::toolchain;

/// All of it.
pub(crate) fn all() -> Result<()> {
    toolchain::require_lint_tools()?;
    format()?;
    ebpf::build(None)?; // vrrp-user does not compile without
    host()?;
    kernel()
}

/// Formatting of all crates.
pub(crate) fn format() -> Result<()> {
    run(command(cargo_program()).current_dir(root()).args(["fmt", "--all", "--check"]))
}

/// clippy for everything that runs in userspace.
pub(crate) fn host() -> Result<()> {
    run(cargo("clippy")?.args(ALL_BUT_SPECIAL).args(["--all-targets", "--", "-D", "warnings"]))
}

/// clippy for the kernel program, as if it were made for the host: so it is the same clippy on
/// every machine, whichever compiler builds the program. There, a program without std must not
/// unwind.
pub(crate) fn kernel() -> Result<()> {
    run(cargo("clippy")?
        .args(["--package", "vrrp-ebpf", "--config", "profile.dev.panic=\"abort\""])
        .args(["--", "-D", "warnings"]))
}
