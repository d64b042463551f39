//! Links, addresses and the journal against a real kernel. Needs root and iproute2.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod host_support;

use std::{
    net::{IpAddr, Ipv6Addr},
    path::PathBuf,
    time::{Duration, Instant},
};

use futures_util::{Stream, StreamExt};
use host_support::{expect_line, in_namespace, ip, running};
use xvrrp::{
    config::{Broadcast, VirtualAddress},
    host::{Change, Error, Host, Journal, Link, LinkKind, Owned, Placed, RuntimeDir, watch},
};

fn placed(link: &Link, address: &str, prefix: u8) -> Placed {
    Placed {
        index: link.index,
        interface: link.name.clone(),
        address: VirtualAddress {
            address: address.parse().unwrap(),
            prefix,
            device: None,
            broadcast: None,
            scope: 0,
            label: None,
            detect_duplicates: false,
            options: Default::default(),
            span: Default::default(),
        },
    }
}

fn owned(placed: &[Placed]) -> Vec<Owned> {
    placed.iter().map(Placed::owned).collect()
}

async fn link(host: &Host, name: &str) -> Link {
    host.link(name).await.unwrap().expect("the link exists")
}

async fn addresses(host: &Host, name: &str) -> Vec<(IpAddr, u8)> {
    let link = link(host, name).await;
    let v4 = link.addresses.iter().filter(|a| a.address.is_ipv4());
    v4.map(|a| (a.address, a.prefix)).collect()
}

/// Waits for a change that satisfies `wanted`.
async fn until(
    changes: &mut (impl Stream<Item = Change> + Unpin),
    wanted: impl Fn(&Change) -> bool,
) {
    while let Some(change) = changes.next().await {
        if wanted(&change) {
            return;
        }
    }
    panic!("the watch ended");
}

/// keyword `interface`: what the kernel says about a link.
#[test]
fn links() {
    in_namespace(async || {
        ip(&[
            "link add name br0 type bridge",
            "link set dev br0 mtu 1400",
            "link add link a name mac0 type macvlan mode bridge",
            "link set dev a address 02:00:00:00:00:0a",
            "address add 192.0.2.2/24 dev a",
            "address add 192.0.2.3/24 dev a",
            "address add 198.51.100.2/25 dev a scope link",
        ]);
        let host = Host::new().unwrap();
        let a = running("a").await;
        assert_eq!(a.mac, Some([2, 0, 0, 0, 0, 0x0a]));
        assert_eq!((a.kind.clone(), a.mtu), (LinkKind::Veth, 1500));
        assert!(a.up && !a.vlan_uppers);
        assert_eq!(a.primary_ipv4(&[]), Some([192, 0, 2, 2].into()));
        assert_eq!(a.primary_ipv4(&[[192, 0, 2, 2].into()]), None);
        let seen: Vec<_> = a
            .addresses
            .iter()
            .filter(|x| x.address.is_ipv4())
            .map(|x| (x.address.to_string(), x.prefix, x.scope, x.secondary))
            .collect();
        assert_eq!(
            seen,
            [
                ("198.51.100.2".to_owned(), 25, 253, false),
                ("192.0.2.2".to_owned(), 24, 0, false),
                ("192.0.2.3".to_owned(), 24, 0, true),
            ]
        );

        let br0 = link(&host, "br0").await;
        assert_eq!((br0.kind, br0.mtu, br0.up), (LinkKind::Bridge, 1400, false));
        assert_eq!(link(&host, "mac0").await.kind, LinkKind::Macvlan);
        assert_eq!(link(&host, "lo").await.kind, LinkKind::Loopback);
        assert_eq!(host.link("nosuch").await, Ok(None));
    });
}

/// keywords `virtual_ipaddress`, `brd`, `label`, `scope`: a batch of 200 (more than one datagram)
/// arrives in order with all its attributes, and goes again.
#[test]
fn add_and_remove() {
    in_namespace(async || {
        let host = Host::new().unwrap();
        let a = link(&host, "a").await;
        let mut batch: Vec<_> =
            (1..=200).map(|last| placed(&a, &format!("198.51.100.{last}"), 32)).collect();
        batch[0].address = VirtualAddress {
            prefix: 24,
            broadcast: Some(Broadcast::HostBitsSet),
            scope: 253,
            label: Some("a:vip".to_owned()),
            ..batch[0].address.clone()
        };

        let begin = Instant::now();
        assert_eq!(host.add_addresses(&batch).await, Default::default());
        let added = begin.elapsed();
        let expected: Vec<_> =
            batch.iter().map(|p| (p.address.address, p.address.prefix)).collect();
        assert_eq!(addresses(&host, "a").await, expected);
        assert_eq!(link(&host, "a").await.addresses[0].scope, 253);
        // The attributes that `Link` does not show. `ip` fails unless it finds exactly these.
        ip(&["address del 198.51.100.1/24 brd 198.51.100.255 label a:vip scope link dev a"]);
        assert_eq!(addresses(&host, "a").await.len(), 199);

        let begin = Instant::now();
        assert_eq!(host.remove_addresses(&owned(&batch)).await, []);
        println!("200 addresses: added in {added:?}, removed in {:?}", begin.elapsed());
        assert_eq!(addresses(&host, "a").await, []);
    });
}

/// Design, "installed": an address that was there before us is told apart, one that is gone
/// already counts as removed, and a refusal names address and interface.
#[test]
fn outcomes() {
    in_namespace(async || {
        ip(&["address add 192.0.2.254/24 dev a"]);
        let host = Host::new().unwrap();
        let a = link(&host, "a").await;
        let present = placed(&a, "192.0.2.254", 24);
        let new = placed(&a, "192.0.2.253", 24);
        let nowhere = Placed { index: 4711, interface: "gone0".to_owned(), ..new.clone() };
        let batch = [&nowhere, &present, &new].map(Clone::clone);

        let added = host.add_addresses(&batch).await;
        assert_eq!(added.present, std::slice::from_ref(&present));
        let refused = Error::Address {
            action: "add",
            address: nowhere.address.address,
            prefix: 24,
            interface: "gone0".to_owned(),
            errno: rustix::io::Errno::NODEV,
        };
        assert_eq!(added.failed, [(nowhere.clone(), refused)]);
        assert_eq!(addresses(&host, "a").await.len(), 2);

        let gone = placed(&a, "192.0.2.99", 24);
        let removed = host.remove_addresses(&owned(&[nowhere, gone, new])).await;
        assert_eq!(removed, []);
        assert_eq!(addresses(&host, "a").await, [([192, 0, 2, 254].into(), 24)]);
    });
}

/// keywords `virtual_ipaddress`, `-nodad`, `virtual_ipaddress_excluded`: IPv6 addresses go in the same
/// batch as IPv4 ones. They can be used at once, unless duplicate address detection is asked for; one
/// without a prefix is no source address; and one that was there before us is told apart.
#[test]
fn ipv6_addresses() {
    in_namespace(async || {
        ip(&["address add 2001:db8::99/64 dev a nodad"]);
        let host = Host::new().unwrap();
        let a = running("a").await;
        let mut batch: Vec<_> = (1..=100)
            .flat_map(|n| {
                let ipv6 = format!("2001:db8:1::{n}");
                [placed(&a, &format!("198.51.100.{n}"), 32), placed(&a, &ipv6, 64)]
            })
            .collect();
        batch.push(placed(&a, "fe80::51", 64));
        let mut deprecated = placed(&a, "2001:db8:2::1", 128);
        deprecated.address.options.preferred_lifetime = Some(Duration::ZERO);
        batch.push(deprecated);
        let present = placed(&a, "2001:db8::99", 128);
        let mut checked = placed(&a, "2001:db8:2::2", 64);
        checked.address.detect_duplicates = true;

        let all = [&batch[..], &[present.clone(), checked.clone()]].concat();
        let added = host.add_addresses(&all).await;
        assert_eq!((added.present, added.failed), (vec![present], vec![]));
        let link = link(&host, "a").await;
        let tentative = |placed: &Placed| {
            let address = placed.address.address;
            link.addresses.iter().find(|own| own.address == address).map(|own| own.tentative)
        };
        assert!(batch.iter().all(|placed| tentative(placed) == Some(false)));
        assert_eq!(tentative(&checked), Some(true));
        // `ip` fails unless it finds exactly these.
        expect_line("address show dev a to 2001:db8:2::1/128 deprecated", "preferred_lft 0sec");
        expect_line("address show dev a to 2001:db8:1::1/128 -deprecated", "valid_lft forever");

        let virtual_one: Ipv6Addr = "fe80::51".parse().unwrap();
        let source = link.primary_link_local(&[virtual_one]);
        assert!(source.is_none_or(|own| own != virtual_one));

        batch.push(checked);
        batch.push(placed(&a, "2001:db8:3::3", 64));
        assert_eq!(host.remove_addresses(&owned(&batch)).await, []);
        let left = self::link(&host, "a").await.addresses;
        let left: Vec<_> = left.iter().filter(|own| own.scope == 0).collect();
        assert_eq!(left.len(), 1, "{left:?}");
        assert_eq!(left[0].address.to_string(), "2001:db8::99");
    });
}

/// R-5.1.2.1-01: a link-local address becomes the source of adverts when the kernel has found it
/// free, and that is noticed.
#[test]
fn link_local_becomes_usable() {
    in_namespace(async || {
        let mut changes = watch().unwrap();
        let host = Host::new().unwrap();
        loop {
            if link(&host, "a").await.primary_link_local(&[]).is_some() {
                break;
            }
            until(&mut changes, |change| matches!(change, Change::AddressAdded { .. })).await;
        }
    });
}

/// keyword `interface`: carrier loss, addresses that come and go and links that go are noticed.
#[test]
fn changes() {
    in_namespace(async || {
        let host = Host::new().unwrap();
        let mut changes = watch().unwrap();
        let a = link(&host, "a").await;
        let address = IpAddr::from([192, 0, 2, 1]);
        let index = a.index;

        ip(&["link set dev b down"]);
        until(&mut changes, |change| {
            matches!(change, Change::LinkChanged { index: i, name, up: true, carrier: false, mac }
                if *i == index && name == "a" && *mac == a.mac)
        })
        .await;
        ip(&["link set dev b up"]);
        until(&mut changes, |change| {
            matches!(change, Change::LinkChanged { index: i, carrier: true, .. } if *i == index)
        })
        .await;
        ip(&["address add 192.0.2.1/24 dev a"]);
        until(&mut changes, |c| *c == Change::AddressAdded { index, address }).await;
        ip(&["address del 192.0.2.1/24 dev a"]);
        until(&mut changes, |c| *c == Change::AddressRemoved { index, address }).await;
        let address = "2001:db8::1".parse().unwrap();
        ip(&["address add 2001:db8::1/64 dev a nodad"]);
        until(&mut changes, |c| *c == Change::AddressAdded { index, address }).await;
        ip(&["address del 2001:db8::1/64 dev a"]);
        until(&mut changes, |c| *c == Change::AddressRemoved { index, address }).await;
        ip(&["link del dev a"]);
        until(&mut changes, |c| *c == Change::LinkGone(index)).await;
    });
}

/// issue 2: changes that were lost in an overrun are not lost silently.
#[test]
fn overrun() {
    in_namespace(async || {
        let mut changes = watch().unwrap();
        // Nobody reads meanwhile: the runtime's only thread waits for `ip`.
        let flood: Vec<_> = (0..2000)
            .map(|n| format!("address add 10.0.{}.{}/32 dev a", n / 250, n % 250))
            .collect();
        ip(&flood);
        until(&mut changes, |c| *c == Change::Resync).await;
    });
}

/// issue 2: what a killed daemon left behind is removed, and nothing else: neither the
/// administrator's addresses nor those on an interface that has been replaced.
#[test]
fn leftovers() {
    in_namespace(async || {
        let dir = std::env::temp_dir().join(format!("xvrrp-leftovers-{}", std::process::id()));
        let run = RuntimeDir::claim(&dir).unwrap();
        let host = Host::new().unwrap();
        ip(&[
            "link add name c type bridge",
            "address add 192.0.2.2/24 dev a",
            "address add 203.0.113.1/32 dev c",
        ]);
        let ours = [
            placed(&link(&host, "a").await, "192.0.2.254", 24),
            placed(&link(&host, "a").await, "2001:db8::254", 64),
            placed(&link(&host, "c").await, "203.0.113.1", 32),
        ];
        let (mut journal, _) = Journal::open(run.path()).unwrap();
        journal.record(owned(&ours)).unwrap();
        host.add_addresses(&ours).await;
        drop((run, journal));
        ip(&["link del dev c", "link add name c type bridge", "address add 203.0.113.1/32 dev c"]);

        let run = RuntimeDir::claim(&dir).unwrap();
        let (mut journal, leftovers) = Journal::open(run.path()).unwrap();
        assert_eq!(leftovers, owned(&ours));
        assert_eq!(host.remove_leftovers(&leftovers).await, Ok(Vec::new()));
        journal.forget(&leftovers).unwrap();
        assert_eq!(addresses(&host, "a").await, [([192, 0, 2, 2].into(), 24)]);
        assert_eq!(addresses(&host, "c").await, [([203, 0, 113, 1].into(), 32)]);
        drop(journal);
        assert_eq!(Journal::<Owned>::open(run.path()).unwrap().1, []);
        remove(dir);
    });
}

fn remove(dir: PathBuf) {
    std::fs::remove_dir_all(dir).unwrap();
}
