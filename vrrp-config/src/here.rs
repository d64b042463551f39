//! What a file says against what its host has. None of it decides whether a file can be run: it may
//! have been written for another host. Script security alone does, as with `keepalived -t`.

use std::{
    collections::{HashMap, HashSet},
    net::IpAddr,
};

use super::{
    Command, Instance, Loaded, ScriptRules, VirtualAddress, code, cross::is_link_local,
    diagnostic::Diagnostic, source::Span,
};

/// Interfaces of a host by their names, each with its addresses and their prefix lengths.
pub type HostInterfaces = HashMap<String, Vec<(IpAddr, u8)>>;

impl Loaded {
    /// Adds what depends on the host, as `keepalived -t` does: `is_program` says whether something that
    /// is to be run can be run there. The first that would run as root is reported, if nobody said whose
    /// rights scripts have.
    pub fn check_scripts(&mut self, is_program: impl Fn(&Command) -> bool) {
        let Some(command) = self.unguarded.iter().find(|command| is_program(command)) else {
            return;
        };
        let program = command.argv.first().map(String::as_str).unwrap_or_default();
        let message = format!("`{program}` would run as root, and script security is not enabled");
        let mut diagnostic = Diagnostic::new(code::SCRIPT_SECURITY, command.span, message);
        diagnostic.help("write `enable_script_security` and `script_user USER` into global_defs");
        self.add(vec![diagnostic]);
    }

    /// Adds warnings about what cannot be run on the host: `refusal` says why, if that is so. Each
    /// program is named once, where it is used first.
    pub fn check_programs(&mut self, refusal: impl Fn(&Command, &ScriptRules) -> Option<String>) {
        let Some(config) = &self.config else { return };
        let mut commands: Vec<&Command> = config.commands().collect();
        commands.sort_by_key(|command| (command.span.0.file, command.span.0.start));
        // Shell language has been reported as such.
        let known: HashSet<Span> = self
            .diagnostics
            .iter()
            .filter(|one| one.code == code::SHELL_SYNTAX.code)
            .map(|one| one.span)
            .collect();
        commands.retain(|command| !known.contains(&command.span.into()));
        let mut seen = HashSet::new();
        commands.retain(|command| seen.insert((command.argv.first(), command.user.as_ref())));
        let warning = |command: &Command| {
            let message = format!("on this host {}", refusal(command, &config.global.scripts)?);
            let mut warning = Diagnostic::new(code::NO_PROGRAM, command.span, message);
            warning.help("a script that cannot be run is not tracked; others are left out");
            Some(warning)
        };
        let warnings = commands.into_iter().filter_map(warning).collect();
        self.add(warnings);
    }

    /// Adds hints about interfaces that the host does not have, and virtual addresses that nobody on
    /// their interface would look for there.
    pub fn check_interfaces(&mut self, interfaces: &HostInterfaces) {
        let instances = self.config.iter().flat_map(|config| &config.instances);
        let mut absent = HashSet::new();
        let mut hints = Vec::new();
        for instance in instances {
            for (name, span) in devices(instance) {
                if !interfaces.contains_key(name) && absent.insert(name) {
                    let message = format!("this host has no interface `{name}`");
                    hints.push(Diagnostic::new(code::NO_SUCH_INTERFACE, span, message));
                }
            }
            hints.extend(outside_subnets(instance, interfaces));
        }
        self.add(hints);
    }
}

/// The interfaces of a virtual router and the lines that name them.
fn devices(instance: &Instance) -> impl Iterator<Item = (&str, Span)> {
    let own = instance.places.of("interface").unwrap_or(instance.span.into());
    let others =
        instance.all_addresses().filter_map(|own| Some((own.device.as_deref()?, own.span.into())));
    std::iter::once((instance.interface.as_str(), own)).chain(others)
}

/// The first address without a prefix length that is in no subnet of its interface. With one it brings
/// a subnet, and a link-local one is in that of the link.
fn outside_subnets(instance: &Instance, interfaces: &HostInterfaces) -> Option<Diagnostic> {
    let mut outside = instance.all_addresses().filter_map(|own| {
        let longest = if own.address.is_ipv4() { 32 } else { 128 };
        let (device, subnets) =
            subnets(own, instance, interfaces).filter(|_| own.prefix == longest)?;
        let inside = subnets.iter().any(|subnet| contains(*subnet, own.address));
        (!inside).then_some((own, device, subnets))
    });
    let (own, device, subnets) = outside.next()?;
    let more = match outside.count() {
        0 => String::new(),
        count => format!(" and {count} more of `{}`", instance.name),
    };
    let subnets: Vec<String> =
        subnets.iter().map(|(own, prefix)| format!("{own}/{prefix}")).collect();
    let message = format!(
        "`{}`{more}: no subnet of {device} on this host has it ({})",
        own.address,
        subnets.join(", ")
    );
    let mut hint = Diagnostic::new(code::OUTSIDE_SUBNETS, own.span, message);
    hint.help(
        "hosts there reach it only by a route; give a prefix length if it is to bring a subnet",
    );
    Some(hint)
}

/// The interface of an address, and what it has of that family by itself; `None` if there is nothing to
/// compare the address with.
fn subnets<'a>(
    own: &'a VirtualAddress,
    instance: &'a Instance,
    interfaces: &HostInterfaces,
) -> Option<(&'a str, Vec<(IpAddr, u8)>)> {
    let device = own.device.as_ref().unwrap_or(&instance.interface);
    let subnets: Vec<(IpAddr, u8)> = interfaces
        .get(device)?
        .iter()
        .copied()
        .filter(|(theirs, _)| theirs.is_ipv4() == own.address.is_ipv4())
        // It is there with its own length while we are MASTER.
        .filter(|there| *there != (own.address, own.prefix) && !is_link_local(there.0))
        .collect();
    (!subnets.is_empty() && !is_link_local(own.address)).then_some((device, subnets))
}

fn contains((subnet, prefix): (IpAddr, u8), address: IpAddr) -> bool {
    let differ = match (subnet, address) {
        (IpAddr::V4(a), IpAddr::V4(b)) => u128::from(u32::from(a) ^ u32::from(b)) << 96,
        (IpAddr::V6(a), IpAddr::V6(b)) => u128::from(a) ^ u128::from(b),
        _ => return false,
    };
    differ.leading_zeros() >= u32::from(prefix)
}
