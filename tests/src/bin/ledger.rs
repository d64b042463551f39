//! `cargo xtask ledger`: writes docs/conformance.md, and says what is wrong with it.

use std::{fs, process::ExitCode};

use anyhow::{Context, Result};
use rig::ledger::{self, Ledger};

fn main() -> Result<ExitCode> {
    let ledger = Ledger::of_repository()?;
    let file = ledger::file();
    fs::write(&file, ledger.to_string())
        .with_context(|| format!("cannot write {}", file.display()))?;
    for complaint in ledger.complaints() {
        println!("{complaint}");
    }
    let complaints = ledger.complaints().len();
    println!("{} of {} rows proved, {complaints} complaints", ledger.proved(), ledger.len());
    Ok(if complaints == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
