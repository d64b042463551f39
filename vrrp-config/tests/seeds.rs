//! Configurations as people write them, and what is said about each.
//!
//! `UPDATE_EXPECTED=1 cargo test -p vrrp-config --test seeds` writes the expected files anew.
//! Whether keepalived answers likewise is looked at in the package xvrrp-tests.
#![allow(clippy::unwrap_used, reason = "a test may panic, and so may its helpers")]

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use vrrp_config as config;

fn data(folder: &str) -> PathBuf {
    let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "../tests/data", folder].iter().collect();
    path.canonicalize().unwrap()
}

/// Holds what is said about each file of a folder against its .expected file; returns how many there
/// are.
fn check_expected(folder: &Path) -> usize {
    let here = format!("{}/", folder.display());
    let mut wrong = Vec::new();
    let mut count = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "conf") {
            continue;
        }
        count += 1;
        let loaded = config::load(&path);
        let said = loaded.render(false).replace(&here, "");
        let actual = format!("{said}exit {}\n", loaded.verdict().exit_code());
        let expected = path.with_extension("expected");
        if env::var_os("UPDATE_EXPECTED").is_some() {
            fs::write(&expected, &actual).unwrap();
        }
        if fs::read_to_string(&expected).unwrap_or_default() != actual {
            wrong.push(format!("--- {}\n{actual}", path.display()));
        }
    }
    assert!(wrong.is_empty(), "not as in the .expected files:\n{}", wrong.join("\n"));
    count
}

/// Issue 2: every mistake in these files is named at its place, with the right word where there is
/// one, and nothing else is called a mistake.
#[test]
fn seeds_say_what_is_expected() {
    assert_eq!(check_expected(&data("seeds")), 14);
}

/// Issue 5: the same for a file for each group of keywords, and one for each mistake.
#[test]
fn configurations_say_what_is_expected() {
    assert!(check_expected(&data("configs")) >= 140);
}

/// Issue 2: the pairs of files that are in use come out as they are meant.
#[test]
fn two_nodes_agree() {
    let load = |name: &str| config::load(&data("seeds").join(name)).config.unwrap();
    let (master, backup) = (load("two-node-master.conf"), load("two-node-backup.conf"));
    let (master, backup) = (&master.instances[0], &backup.instances[0]);
    assert_eq!((master.priority.get(), backup.priority.get()), (100, 90));
    assert_eq!(master.vrid, backup.vrid);
    assert_eq!(master.interval, backup.interval);
    assert_eq!(master.authentication, backup.authentication);
    assert_eq!(master.authentication, Some(config::Authentication::Pass(*b"1111\0\0\0\0")));
    assert_eq!(master.addresses[0].address, backup.addresses[0].address);
    assert_eq!(master.addresses[0].prefix, 32);
}

/// Issue 2: `virtual_server` is recognised as a whole and its place is kept for `run` to warn about.
#[test]
fn virtual_servers_are_remembered() {
    let loaded = config::load(&data("seeds").join("fragment-virtual-server.conf"));
    let config = loaded.config.as_ref().unwrap();
    let [span] = config.virtual_servers[..] else { panic!("one block") };
    assert_eq!(loaded.sources.excerpt(span), "virtual_server 192.168.1.2 80");
    assert!(config.instances.is_empty());
}
