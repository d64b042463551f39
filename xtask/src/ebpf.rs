//! `build-ebpf`: from the sources of vrrp-ebpf to the object file that xvrrp carries.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use crate::fingerprint::{self, OBJECT, STAMP};
use crate::run::{root, run};
use crate::toolchain::{Choice, Compiler};

/// Where cargo leaves the program, from the root of the workspace.
const BUILT: &str = "target/ebpf/bpfel-unknown-none/release/xvrrp-ebpf";

/// Builds the kernel program unless it is up to date; a `choice` of compiler always builds.
pub(crate) fn build(choice: Option<Choice>) -> Result<()> {
    if choice.is_none() && fingerprint::is_current(root())? {
        eprintln!("the kernel program is up to date");
        return Ok(());
    }
    // Taken before the build: a source that changes meanwhile makes the program old.
    let sources = fingerprint::of_sources(root())?;
    let compiler = Compiler::find(choice)?;
    eprintln!("building the kernel program with {compiler}");
    run(&mut compiler.build()?)?;

    let object = root().join(OBJECT);
    let program = fs::read(root().join(BUILT)).with_context(|| format!("cargo left no {BUILT}"))?;
    replace(&object, &program)?;
    replace(&root().join(STAMP), format!("{sources}\n{compiler}\n").as_bytes())?;
    eprintln!("{OBJECT}: {} bytes", program.len());
    Ok(())
}

/// Writes a file so that others see the old or the new contents, never half of them.
fn replace(path: &Path, contents: &[u8]) -> Result<()> {
    let new = path.with_extension("new");
    let failed = || format!("cannot write {}", path.display());
    fs::write(&new, contents).with_context(failed)?;
    fs::rename(&new, path).with_context(failed)
}
