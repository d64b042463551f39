//! Puts the kernel program into xvrrp: sets `XVRRP_BPF_OBJECT` to the path of the object file that
//! `cargo xtask build-ebpf` made, and refuses one that was built from other sources.

use std::path::PathBuf;
use std::{env, io};

#[path = "../xtask/src/fingerprint.rs"]
mod fingerprint;

fn main() -> io::Result<()> {
    // Not `env!`: checkouts may share a target directory, and with it this program.
    let package = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    let root = package.parent().unwrap_or(&package);
    let object = root.join(fingerprint::OBJECT);
    let made = [fingerprint::OBJECT, fingerprint::STAMP];
    for watched in fingerprint::SOURCES.into_iter().chain(made) {
        println!("cargo::rerun-if-changed={}", root.join(watched).display());
    }
    if fingerprint::is_current(root)? {
        println!("cargo::rustc-env=XVRRP_BPF_OBJECT={}", object.display());
    } else {
        // Fails the build; a failing exit code would bury this line in cargo's report.
        println!(
            "cargo::error=the kernel program is not built (or out of date): run `cargo xtask build-ebpf`"
        );
    }
    Ok(())
}
