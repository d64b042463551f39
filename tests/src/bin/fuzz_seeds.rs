//! Writes the seeds of each fuzz target into a folder of its name: `fuzz_seeds FOLDER`.

use std::{fs, path::PathBuf};

use anyhow::{Context, Result};
use rig::fuzz::{Seeds, TARGETS};

fn main() -> Result<()> {
    let folder: PathBuf = std::env::args_os().nth(1).context("usage: fuzz_seeds FOLDER")?.into();
    let seeds = Seeds::read(concat!(env!("CARGO_MANIFEST_DIR"), "/data").as_ref())?;
    for target in TARGETS {
        let folder = folder.join(target.name);
        fs::create_dir_all(&folder)?;
        for (number, input) in (target.seeds)(&seeds).iter().enumerate() {
            fs::write(folder.join(format!("seed-{number}")), input)?;
        }
    }
    Ok(())
}
