//! What the words behind an address are to the kernel, as keepalived has them.
#![expect(clippy::unwrap_used, reason = "a test ends where something fails")]

use std::{collections::BTreeMap, time::Duration};

use rig::{Config, Daemon, Lab, Node, Router, wait_until};
use serde_json::Value;

const SETTLING: Duration = Duration::from_secs(15);

/// Lines of `virtual_ipaddress_excluded`, with the address of each.
const LINES: [(&str, &str); 16] = [
    ("198.51.100.1", "198.51.100.1"),
    ("198.51.100.2", "198.51.100.2/24 brd + label eth0:two scope link"),
    ("198.51.101.3", "198.51.101.3/24 brd -"),
    ("198.51.102.4", "198.51.102.4/24 brd 198.51.102.77 scope site"),
    ("198.51.100.5", "198.51.100.5 peer 198.51.100.6"),
    ("198.51.103.7", "198.51.103.7/24 noprefixroute"),
    ("198.51.104.8", "198.51.104.8/24 dev eth1"),
    ("2001:db8:7::1", "2001:db8:7::1"),
    ("2001:db8:7::2", "2001:db8:7::2/64"),
    ("2001:db8:7::3", "2001:db8:7::3/64 -nodad"),
    ("2001:db8:7::4", "2001:db8:7::4/64 home"),
    ("2001:db8:7::5", "2001:db8:7::5/64 mngtmpaddr noprefixroute"),
    ("2001:db8:7::6", "2001:db8:7::6 preferred_lft forever"),
    ("2001:db8:7::7", "2001:db8:7::7/64 preferred_lft 600"),
    ("2001:db8:7::8", "2001:db8:7::8 peer 2001:db8:7::9"),
    ("ff05::1234", "ff05::1234 autojoin"),
];

/// What `ip -d addr` tells of each address; times that pass are left out.
fn installed(node: &Node) -> BTreeMap<String, BTreeMap<String, Value>> {
    let json = node.run(&["ip", "-d", "-j", "addr", "show"]).unwrap();
    let links: Vec<Value> = serde_json::from_str(&json).unwrap();
    let mut addresses = BTreeMap::new();
    for link in links {
        for address in link["addr_info"].as_array().into_iter().flatten() {
            let mut facts: BTreeMap<String, Value> =
                serde_json::from_value(address.clone()).unwrap();
            facts.insert("dev".into(), link["ifname"].clone());
            if let Some(left) = facts.get_mut("preferred_life_time")
                && (1..=600).contains(&left.as_u64().unwrap())
            {
                *left = "less than 600".into();
            }
            let local = facts["local"].as_str().unwrap().to_owned();
            addresses.insert(local, facts);
        }
    }
    addresses
}

/// keywords `virtual_ipaddress_excluded`, `brd`, `label`, `scope`, `dev`, `peer`, `home`, `mngtmpaddr`,
/// `noprefixroute`, `autojoin`, `preferred_lft`, `-nodad`: from the same file keepalived 2.2.7 and we
/// install the same, to the letter of `ip -d addr`; at the end all of it goes.
#[test]
fn the_same_as_keepalived_installs() {
    let lines: String = LINES.iter().map(|(_, line)| format!("        {line}\n")).collect();
    let config = Config { version: 3, advert_int: Duration::from_millis(100), ..Config::default() };
    let excluded =
        format!("    virtual_ipaddress_excluded {{\n{lines}    }}\n    virtual_ipaddress {{");
    let config = config.to_string().replace("    virtual_ipaddress {", &excluded);
    let [ours, theirs] = [Daemon::Xvrrp, Daemon::Keepalived].map(|daemon| {
        let lab = Lab::with_ipv6(2).unwrap();
        let node = lab.node(0);
        node.join(lab.node(1)).unwrap();
        let before = installed(node);
        let mut router = Router::start(node, daemon, &config).unwrap();
        router.wait_for_state(router.started(), Config::INSTANCE, "MASTER", SETTLING).unwrap();
        let last = LINES[LINES.len() - 1].0;
        wait_until("the last address", SETTLING, || Ok(installed(node).contains_key(last)))
            .unwrap_or_else(|error| panic!("{daemon}: {error}: {:#?}", router.log()));
        // Duplicate address detection of the one that has it.
        let settled = || {
            let tentative = |facts: &BTreeMap<_, _>| facts.contains_key("tentative");
            Ok(!installed(node).values().any(tentative))
        };
        wait_until("the end of duplicate address detection", SETTLING, settled).unwrap();
        let found = installed(node);
        router.stop().unwrap();
        if daemon == Daemon::Keepalived {
            // It leaves the address with a peer behind.
            return found;
        }
        let gone = || Ok(installed(node) == before);
        wait_until("nothing left", SETTLING, gone)
            .unwrap_or_else(|error| panic!("{daemon}: {error}: {:#?}", installed(node)));
        found
    });
    for (address, line) in LINES {
        assert!(ours.contains_key(address), "{line}: {ours:#?}");
        assert_eq!(ours[address], theirs[address], "{line}");
    }
    assert_eq!(ours.len(), theirs.len());
}
