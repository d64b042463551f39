//! What this host has of the things that configurations name.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use tokio::runtime;

use crate::{
    config::{HostInterfaces, Loaded, Program},
    host::Host,
};

/// Adds to a configuration what depends on this host.
pub(super) fn check(loaded: &mut Loaded, interfaces: Option<&HostInterfaces>) {
    if !has_script_user() {
        loaded.check_scripts(|program| find(program) == Program::Runs);
    }
    loaded.check_programs(find);
    if let Some(interfaces) = interfaces {
        loaded.check_interfaces(interfaces);
    }
}

/// All interfaces, `None` where the kernel does not tell.
pub(super) fn interfaces() -> Option<HostInterfaces> {
    let runtime = runtime::Builder::new_current_thread().enable_all().build().ok()?;
    let links = runtime.block_on(async { Host::new()?.links().await }).ok()?;
    let interface = |link: crate::host::Link| {
        let addresses = link.addresses.iter().map(|own| (own.address, own.prefix));
        (link.name, addresses.collect())
    };
    Some(links.into_iter().map(interface).collect())
}

/// keepalived runs scripts as the user `keepalived_script` where there is one.
fn has_script_user() -> bool {
    let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
    users.lines().any(|line| line.starts_with("keepalived_script:"))
}

/// Where programs without a path are looked for.
const DIRECTORIES: [&str; 6] =
    ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];

fn find(program: &Path) -> Program {
    let is_name = program.components().count() == 1;
    let places = DIRECTORIES.iter().map(|directory| Path::new(directory).join(program));
    if !is_name {
        look_at(program)
    } else if places.into_iter().any(|place| look_at(&place) == Program::Runs) {
        Program::Runs
    } else {
        Program::Missing
    }
}

fn look_at(path: &Path) -> Program {
    match fs::metadata(path) {
        Ok(meta) if meta.is_file() && meta.permissions().mode() & 0o111 != 0 => Program::Runs,
        Ok(_) => Program::NotExecutable,
        Err(_) => Program::Missing,
    }
}
