//! A configuration, written as text and read again, is the same one.
#![allow(clippy::unwrap_used, reason = "a test may panic, and so may its helpers")]

mod generator;
mod support;

use std::{
    fs,
    path::{Path, PathBuf},
};

use generator::Generator;
use support::{instance, parse};
use vrrp_config::{self as config, Config, Loaded, Severity};

/// Reads what the configuration looks like as text.
fn again(config: &Config) -> (String, Loaded) {
    let text = config.to_string();
    let loaded = config::parse("formatted.conf", text.as_bytes());
    (text, loaded)
}

/// Asserts that the text of a configuration means the same, and has no mistakes but those that its
/// meaning consists of.
fn round_trip(config: &Config, inherent: &[&str], case: &str) {
    let (text, loaded) = again(config);
    let errors: Vec<_> = loaded
        .diagnostics
        .iter()
        .filter(|d| d.severity == Severity::Error && !inherent.contains(&d.code))
        .collect();
    assert!(errors.is_empty(), "{case}:\n{}\n{text}", loaded.render(false));
    let mut expected = config.clone();
    expected.virtual_servers.clear();
    let found = loaded.config.unwrap();
    assert_eq!(found.global, expected.global, "{case}:\n{text}");
    for (found, expected) in found.instances.iter().zip(&expected.instances) {
        assert_eq!(found, expected, "{case}:\n{text}");
    }
    assert!(found == expected, "{case}: {found:#?}\n{expected:#?}\n{text}");
    assert_eq!(found.to_string(), Config { virtual_servers: Vec::new(), ..expected }.to_string());
}

fn configurations(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            configurations(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "conf") {
            found.push(path);
        }
    }
}

/// Issue 5: formatting the model and parsing it again gives the same model, for every file that there
/// is. Shell language stays a mistake, and so do routes that cannot be
/// tracked.
#[test]
fn files() {
    let mut paths = Vec::new();
    configurations(
        &[env!("CARGO_MANIFEST_DIR"), "../tests/data"].iter().collect::<PathBuf>(),
        &mut paths,
    );
    configurations(
        &[env!("CARGO_MANIFEST_DIR"), "../examples"].iter().collect::<PathBuf>(),
        &mut paths,
    );
    assert!(paths.len() >= 16, "{paths:?}");
    for path in paths {
        if let Some(config) = config::load(&path).config {
            round_trip(&config, &["E0073", "E0074", "E0143"], &path.display().to_string());
        }
    }
}

/// Issue 5: the same for made-up configurations with everything in them.
#[test]
fn generated() {
    for seed in 1..400 {
        let config = Generator::new(seed).config();
        round_trip(&config, &["E0065", "E0073"], &format!("seed {seed}"));
    }
}

/// The text is what a person would write: without defaults.
#[test]
fn text() {
    let lines = "notify_master \"/bin/m 'a b'\" nobody\ntrack_interface {\neth1 weight -5\neth2\n}";
    let text = instance(lines);
    let expected = "\
global_defs {
}
vrrp_instance VI_1 {
    state BACKUP
    interface eth0
    virtual_router_id 51
    priority 100
    version 2
    advert_int 1
    virtual_ipaddress {
        10.0.0.51/32
    }
    track_interface {
        eth1 weight -5
        eth2
    }
    notify_master \"/bin/m 'a b'\" nobody
}
";
    let config = parse(&text).config.unwrap();
    assert_eq!(config.to_string(), expected);
}

/// Rules without a preference have got one, which does not depend on where they stand any more.
#[test]
fn preferences_stay() {
    let rules = "virtual_rules {\nfrom 10.1.0.0/16 table 1\n}";
    let text = instance(rules) + "static_rules {\nfrom 10.2.0.0/16 table 1\n}\n";
    let config = parse(&text).config.unwrap();
    assert_eq!(config.instances[0].rules[0].preference, Some(16384));
    round_trip(&config, &[], "preferences");
}

/// What global_defs says for all stands at each virtual router, and what strict mode changed stays.
#[test]
fn defaults_move() {
    let text = "global_defs {\nvrrp_strict\nvrrp_version 3\nvrrp_garp_master_repeat 2\nvrrp_garp_interval 0.5\n\
                vrrp_mcast_group4 224.0.0.99\n}\n";
    let config = parse(&format!("{text}{}", instance("advert_int 0.25"))).config.unwrap();
    round_trip(&config, &[], "strict");
    let unicast = "unicast_src_ip 10.0.0.1\nunicast_peer {\n10.0.0.2 min_ttl 250\n}";
    let text = text.replace("vrrp_strict\n", "");
    let config = parse(&format!("{text}{}", instance(unicast))).config.unwrap();
    round_trip(&config, &[], "unicast");
}

/// Passwords are octets, some of which are no text.
#[test]
fn passwords() {
    for password in ["secret", "with a \\\" $x", "t\u{e9}\u{e9}", "\\0", "a\\000b"] {
        let lines = format!("authentication {{\nauth_type PASS\nauth_pass \"{password}\"\n}}");
        let config = parse(&instance(&lines)).config.unwrap();
        assert!(config.instances[0].authentication.is_some(), "{password}");
        round_trip(&config, &[], password);
    }
}
