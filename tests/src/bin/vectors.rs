//! `cargo xtask vectors FILE`: one line for each vector, then how many passed and failed.

use std::{path::PathBuf, process::ExitCode};

use anyhow::{Context, Result};
use rig::vectors::{self, Outcome};

fn main() -> Result<ExitCode> {
    let file: PathBuf = std::env::args_os().nth(1).context("usage: vectors FILE")?.into();
    let (mut passed, mut failed) = (0, 0);
    for vector in vectors::read(&file)? {
        match vector.run() {
            Outcome::Passed => {
                passed += 1;
                println!("ok       {}", vector.name);
            }
            Outcome::Failed(why) => {
                failed += 1;
                println!("FAILED   {}: {} demanded: {why}", vector.name, vector.reason_code);
            }
        }
    }
    println!("{passed} passed, {failed} failed");
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
