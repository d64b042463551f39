//! keepalived.conf: from bytes to the typed [`Config`], with a diagnostic at the place for
//! everything that is not as it should be.
//!
//! The way of a file: [`source`] keeps its text, [`language`] follows includes, conditions, variables
//! and loops, [`lexer`] makes words of the lines, [`parser`] a tree of statements, [`audit`] holds the tree against the table in [`keywords`], [`global`] and
//! [`instance`] read the values, and [`complete`] adds defaults and keepalived's repairs. Nothing is
//! swallowed: what has no effect says so at its place. Whether a file would run is decided as
//! `keepalived -t` decides it, without its need for root and for the interfaces.

mod address;
mod audit;
mod auth;
mod bfd;
mod code;
mod complete;
mod cross;
mod daemon;
mod diagnostic;
pub mod explain;
mod file;
mod format;
mod global;
mod groups;
mod here;
mod host;
mod instance;
mod interfaces;
mod keywords;
mod language;
mod lexer;
mod model;
mod notify;
mod oddities;
mod parser;
mod places;
mod references;
mod routing;
mod scheduling;
mod scripts;
mod servers;
mod slips;
mod source;
mod suggest;
mod together;
mod trackers;
mod tracking;
mod umask;
mod unicast;
mod values;
mod vmac;

use std::{collections::HashMap, path::Path};

pub use bfd::Bfd;
pub use diagnostic::{Diagnostic, Loaded, Severity, Verdict};
pub use here::HostInterfaces;
pub use host::{Disk, Host, Memory};
pub use interfaces::{ExtraGarp, GarpGroup, Interfaces, Linkbeat, LinkbeatMethod, UpDownDelay};
pub use language::Surroundings;
pub use model::{
    Account, AddressOptions, AntiReplay, AuthHmac, Authentication, Broadcast, ChecksumForm,
    Command, Config, Dbus, Dumps, DynamicInterfaces, Fifo, Garp, Global, HmacMode, Hook, InitFile,
    InitialState, Instance, JsonVersion, Mail, Notify, Parameters, Policy, Process, Reload,
    ReloadCheck, Scheduling, Script, ScriptRules, SyncGroup, TimerExpired, TrackFile, TrackLists,
    TrackProcess, Tracked, Unicast, UnicastPeer, User, VirtualAddress, VirtualMac, Weight, XdpMode,
};
pub use places::Places;
pub use routing::{
    Action, Encap, IpEncap, Lockable, Mark, Metrics, Named, NextHop, Position as RoutePosition,
    Preference, Prefix, Realms, Route, RouteKind, Rule, Statics, TrackGroup, Tracking,
};
pub use source::{FileId, Place, Position, Sources, Span};

pub use together::{Together, together};

use diagnostic::Findings;
use parser::Statement;
use references::{Kind, Names};
use trackers::Trackers;
use tracking::Context;

/// More is refused, in one file or in all that it includes. A configuration of 1000 virtual routers
/// has about half a megabyte.
const MAX_SIZE: usize = 8 << 20;

/// Reads a configuration file, or a pipe that is written to, and all that it includes, with the short
/// name of this host as config id. One that cannot be read is a diagnostic, too.
pub fn load(path: &Path) -> Loaded {
    load_as(path, &Disk::name())
}

/// The same with another config id.
pub fn load_as(path: &Path, id: &str) -> Loaded {
    let name = path.display().to_string();
    match file::read_or_drain(path, MAX_SIZE as u64 + 1) {
        Ok(bytes) => parse_in(&name, &bytes, Surroundings { id, host: &Disk }),
        Err(error) => refuse(&name, code::UNREADABLE, &format!("cannot read {name}: {error}")),
    }
}

/// Reads a configuration from memory; `name` stands for it in messages. Any bytes will do. There are
/// no other files, and no config id.
pub fn parse(name: &str, text: &[u8]) -> Loaded {
    parse_in(name, text, Surroundings { id: "", host: &Memory::default() })
}

/// Reads a configuration from memory. What it refers to is found in the `surroundings`, relative to
/// the directory of `name`.
pub fn parse_in(name: &str, text: &[u8], surroundings: Surroundings<'_>) -> Loaded {
    if text.len() > MAX_SIZE {
        let message = format!("{name} has {} bytes, more than {MAX_SIZE}", text.len());
        return refuse(name, code::TOO_LARGE, &message);
    }
    let (mut sources, mut findings) = (Sources::default(), Findings::default());
    let tokens = language::read(name, text, surroundings, &mut sources, &mut findings);
    let tree = parser::parse(tokens, &sources, &mut findings);
    let names = Names::collect(&tree, &mut findings);
    let virtual_servers = spans_of("virtual_server", &tree);
    let tree = audit::audit(tree, &sources, &mut findings);
    servers::check(&tree, &mut findings);
    let config = Config { virtual_servers, ..build(&tree, &names, &sources, &mut findings) };
    let unguarded = scripts::unguarded(&config, &tree);
    let diagnostics = findings.finish();
    let mut loaded = Loaded { config: None, diagnostics, sources, unguarded };
    if loaded.verdict() != Verdict::CannotRun {
        loaded.config = Some(config);
    }
    loaded
}

/// The model, from statements that the audit has let through.
fn build(tree: &[Statement], names: &Names, sources: &Sources, findings: &mut Findings) -> Config {
    let (global, defaults) = global::build(tree, findings);
    let trackers = Trackers::read(tree, sources, findings);
    let weights = trackers.weights();
    let mut config = Config { global, ..Config::default() };
    let default_interface = config.global.default_interface.as_deref();
    config.statics = routing::statics(tree, default_interface, findings);
    config.interfaces = interfaces::interfaces(tree, findings);
    let mut taken = HashMap::new();
    for block in tree.iter().filter(|statement| statement.keyword() == "vrrp_instance") {
        let name = values::argument(block).map_or("", |word| &word.text);
        let context = Context { names, weights: &weights, user: (Kind::Instance, name) };
        let draft = instance::draft(block, context, sources, findings);
        if let Some(first) = taken.insert(draft.name.clone(), draft.span) {
            let line = sources.line(first);
            let message =
                format!("there is a vrrp_instance `{}` in line {line} already", draft.name);
            findings.report(code::DUPLICATE_NAME, draft.span, message).help("this one is ignored");
            continue;
        }
        config.instances.extend(complete::complete(draft, &defaults, findings));
    }
    separate(&mut config.instances, findings);
    groups::build(tree, &mut config, names, &weights, &defaults.notify, sources, findings);
    routing::assign_preferences(tree, &mut config);
    interfaces::limit_delays(&mut config.interfaces.delays, &config.instances, findings);
    let Trackers { scripts, files, processes, bfds } = trackers;
    let config =
        Config { scripts, track_files: files, track_processes: processes, bfd: bfds, ..config };
    cross::check(tree, &config, findings);
    config
}

/// Two virtual routers of one family with one number on one interface hear each other's adverts: the
/// second one is left out. Only circles of unicast peers that have no peer in common stay apart.
fn separate(instances: &mut Vec<Instance>, findings: &mut Findings) {
    let (mut all, mut multicast, mut peers) = (HashMap::new(), HashMap::new(), HashMap::new());
    instances.retain(|instance| {
        let Instance { name, span, vrid, interface, .. } = instance;
        let place = (*vrid, instance.family(), interface.clone());
        let own_peers = instance.unicast.iter().flat_map(|unicast| &unicast.peers);
        let own_peers = own_peers.map(|peer| (place.clone(), peer.address));
        let first: Option<&String> = if instance.unicast.is_none() {
            all.get(&place)
        } else {
            multicast.get(&place).or_else(|| own_peers.clone().find_map(|peer| peers.get(&peer)))
        };
        if let Some(first) = first {
            let message =
                format!("`{first}` and `{name}` both have virtual_router_id {vrid} on {interface}");
            findings
                .report(code::DUPLICATE_VRID, *span, message)
                .help(format!("`{name}` is left out"));
            return false;
        }
        peers.extend(own_peers.map(|peer| (peer, name.clone())));
        if instance.unicast.is_none() {
            multicast.insert(place.clone(), name.clone());
        }
        all.insert(place, name.clone());
        true
    });
}

fn spans_of(keyword: &str, tree: &[Statement]) -> Vec<Span> {
    tree.iter().filter(|statement| statement.keyword() == keyword).map(Statement::span).collect()
}

/// A file of which nothing is known but why.
fn refuse(name: &str, kind: diagnostic::Kind, message: &str) -> Loaded {
    let (mut sources, mut findings) = (Sources::default(), Findings::default());
    let file = sources.add(name, b"");
    findings.report(kind, Span { file, ..Span::default() }, message);
    Loaded { config: None, diagnostics: findings.finish(), sources, unguarded: Vec::new() }
}
