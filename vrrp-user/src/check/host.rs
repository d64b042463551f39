//! What this host has of the things that configurations name.

use tokio::runtime;

use crate::{
    config::{Account, Command, HostInterfaces, Loaded, ScriptRules, User},
    exec::{self, Program},
    host::Host,
};

/// Adds to a configuration what depends on this host.
pub(super) fn check(loaded: &mut Loaded, interfaces: Option<&HostInterfaces>) {
    if !exec::has_default_user() {
        let runs = |command: &Command| {
            let root = User { user: Account::Id(0), group: None };
            let command = Command { user: Some(root), ..command.clone() };
            Program::new(&command, &ScriptRules::default()).is_ok()
        };
        loaded.check_scripts(runs);
    }
    loaded.check_programs(|command, rules| {
        Program::new(command, rules).err().map(|refusal| refusal.to_string())
    });
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
