//! `no_accept` behind connection tracking: an nftables table of our own that drops what is sent to
//! a virtual address and is still meant for this host after address translation has looked at it.
//! A gateway that translates to or from a virtual address goes on working: the packets that it
//! forwards never come to the input hook, and those that it redirects come with another address.

use std::{
    collections::BTreeSet,
    fs,
    io::ErrorKind,
    net::IpAddr,
    path::{Path, PathBuf},
};

use netlink_packet_netfilter::nftables::{
    ChainAttribute, ChainMessage, DataAttribute, Hook, InetHookNumber, ListAttribute, MetaKey,
    NfTablesMessage, Operator, Register, RuleAttribute, RuleMessage, SetAttribute,
    SetElementAttribute, SetElementList, SetElementMessage, SetMessage, TableAttribute,
    TableMessage,
};
use rustix::io::Errno;

use super::{
    Error, Result,
    nftables::{
        Base, Expression, NfTables, Removals, Step, accept, compare, count, drop_packet, is_in,
        load, load_meta,
    },
};

/// File in the runtime directory.
const MARK: &str = "nftables";

const CHAIN: &str = "input";

/// Where the chain stands among those of the input hook. Behind IPVS (98 and 99): what a director
/// takes for a virtual service is not accepted by the host.
const PRIORITY: u32 = 100;

/// Policy of the chain, NF_ACCEPT: all other packets are none of its business.
const POLICY: u32 = 1;

/// NFPROTO_IPV4 and NFPROTO_IPV6, as `meta nfproto` has them.
const IPV4: u8 = 2;
const IPV6: u8 = 10;

const ICMPV6: u8 = 58;
/// Types of ICMPv6: Neighbor Solicitation, and the next, Neighbor Advertisement.
const SOLICITATION: u8 = 135;
const ADVERTISEMENT: u8 = 136;

/// Elements that one message carries: an attribute has room for 64 KiB.
const ELEMENTS: usize = 512;

/// An address at which this host accepts nothing. IPv6 link-local addresses are those of one
/// interface; all others are guarded whichever interface a packet comes in on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Guarded {
    /// The interface, of a link-local address.
    index: Option<u32>,
    address: IpAddr,
}

impl Guarded {
    /// The address on the interface with this index.
    pub fn new(index: u32, address: IpAddr) -> Self {
        let is_link_local = matches!(address, IpAddr::V6(v6) if v6.is_unicast_link_local());
        Self { index: is_link_local.then_some(index), address }
    }

    fn set(&self) -> &'static Set {
        match (self.address, self.index) {
            (IpAddr::V4(_), _) => &SETS[0],
            (IpAddr::V6(_), None) => &SETS[1],
            (IpAddr::V6(_), Some(_)) => &SETS[2],
        }
    }

    /// As an element of its set: each part from a multiple of 4 octets on.
    fn key(&self) -> Vec<u8> {
        let mut key = self.index.map_or_else(Vec::new, |index| index.to_ne_bytes().to_vec());
        match self.address {
            IpAddr::V4(address) => key.extend(address.octets()),
            IpAddr::V6(address) => key.extend(address.octets()),
        }
        key
    }
}

/// The table of one daemon. It stays when this is dropped; [`Self::remove`] removes it.
pub struct Firewall {
    nftables: NfTables,
    table: String,
    /// A file that says that there is a table, so that only then the next start looks for one: the
    /// question alone makes the kernel load nf_tables.
    mark: PathBuf,
    guarded: BTreeSet<Guarded>,
}

impl Firewall {
    /// Makes the daemon's table in the network namespace of the calling thread, in place of what a
    /// daemon with the same runtime directory has left there.
    ///
    /// [`Error::Firewall`] where the kernel has no nf_tables, or does not let us.
    pub fn install(runtime_dir: &Path) -> Result<Self> {
        let firewall = Self::open(runtime_dir)?;
        fs::write(&firewall.mark, &firewall.table).map_err(Error::file("write", &firewall.mark))?;
        firewall.replace(&BTreeSet::new())?;
        Ok(firewall)
    }

    /// Removes what a killed daemon with this runtime directory has left.
    pub fn remove_leftover(runtime_dir: &Path) -> Result<()> {
        if runtime_dir.join(MARK).exists() { Self::open(runtime_dir)?.remove() } else { Ok(()) }
    }

    fn open(runtime_dir: &Path) -> Result<Self> {
        Ok(Self {
            nftables: NfTables::open()?,
            table: table_of(runtime_dir),
            mark: runtime_dir.join(MARK),
            guarded: BTreeSet::new(),
        })
    }

    /// Name of the table, of family inet.
    pub fn table(&self) -> &str {
        &self.table
    }

    /// Tells when somebody removes the table; [`Self::mend`] makes it again.
    pub fn removals(&self) -> Result<Removals> {
        Removals::of(&self.table)
    }

    /// Accepts nothing at these addresses, and no others, from now on. Who reloads his own rules
    /// may have flushed ours: then the table is made again.
    pub fn guard(&mut self, addresses: BTreeSet<Guarded>) -> Result<()> {
        if addresses == self.guarded {
            return Ok(());
        }
        let gone = self.elements(self.guarded.difference(&addresses), true);
        let new = self.elements(addresses.difference(&self.guarded), false);
        match self.nftables.transact(gone.into_iter().chain(new)) {
            Err(Error::Firewall(Errno::NOENT)) => self.replace(&addresses)?,
            result => result?,
        }
        self.guarded = addresses;
        Ok(())
    }

    /// Makes the table again if somebody has removed it. True if that was so.
    pub fn mend(&self) -> Result<bool> {
        // A chain that is there is left as it is; without its table there is no chain.
        match self.nftables.transact([Step::Make(self.chain())]) {
            Err(Error::Firewall(Errno::NOENT)) => self.replace(&self.guarded).map(|()| true),
            result => result.map(|()| false),
        }
    }

    /// Removes the table.
    pub fn remove(self) -> Result<()> {
        match self.nftables.transact([Step::Remove(table(&self.table, true))]) {
            Ok(()) | Err(Error::Firewall(Errno::NOENT)) => {}
            Err(error) => return Err(error),
        }
        match fs::remove_file(&self.mark) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(Error::file("remove", &self.mark)(error))
            }
            _ => Ok(()),
        }
    }

    /// The table with these addresses, whatever was there before.
    fn replace(&self, addresses: &BTreeSet<Guarded>) -> Result<()> {
        // What is removed has to be there.
        let mut steps = vec![
            Step::Make(table(&self.table, false)),
            Step::Remove(table(&self.table, true)),
            Step::Make(table(&self.table, false)),
            Step::Make(self.chain()),
        ];
        for (id, set) in (1..).zip(&SETS) {
            steps.push(Step::Make(self.set(id, set)));
        }
        steps.push(self.rule(neighbor_discovery()));
        for set in &SETS {
            steps.push(self.rule(set.rule()));
        }
        steps.extend(self.elements(addresses.iter(), false));
        self.nftables.transact(steps)
    }

    fn chain(&self) -> NfTablesMessage {
        NfTablesMessage::NewChain(ChainMessage {
            attributes: vec![
                ChainAttribute::Table(self.table.clone()),
                ChainAttribute::Name(CHAIN.to_owned()),
                ChainAttribute::Hook(vec![
                    Hook::Number(InetHookNumber::LocalIn.into()),
                    Hook::Priority(PRIORITY),
                ]),
                ChainAttribute::Policy(POLICY),
                ChainAttribute::Type("filter".to_owned()),
            ],
        })
    }

    fn set(&self, id: u32, set: &Set) -> NfTablesMessage {
        NfTablesMessage::NewSet(SetMessage {
            attributes: vec![
                SetAttribute::Table(self.table.clone()),
                SetAttribute::Name(set.name.to_owned()),
                SetAttribute::KeyType(set.key_type),
                SetAttribute::KeyLen(set.key_length),
                SetAttribute::Id(id),
            ],
        })
    }

    fn rule(&self, expressions: Vec<Expression>) -> Step {
        Step::Append(NfTablesMessage::NewRule(RuleMessage {
            attributes: vec![
                RuleAttribute::Table(self.table.clone()),
                RuleAttribute::Chain(CHAIN.to_owned()),
                RuleAttribute::Expressions(expressions),
            ],
        }))
    }

    /// Steps that add or remove elements of the sets.
    fn elements<'a>(
        &self,
        addresses: impl Iterator<Item = &'a Guarded>,
        remove: bool,
    ) -> Vec<Step> {
        let addresses: Vec<_> = addresses.collect();
        // In their order those of a set follow each other.
        addresses
            .chunk_by(|a, b| std::ptr::eq(a.set(), b.set()))
            .flat_map(|same_set| same_set.chunks(ELEMENTS))
            .map(|some| {
                let element = |address: &&Guarded| {
                    let key = DataAttribute::Value(address.key());
                    ListAttribute::Element(vec![SetElementAttribute::Key(key)])
                };
                let message = SetElementMessage {
                    attributes: vec![
                        SetElementList::Table(self.table.clone()),
                        SetElementList::Set(some[0].set().name.to_owned()),
                        SetElementList::Elements(some.iter().map(element).collect()),
                    ],
                };
                if remove {
                    Step::Remove(NfTablesMessage::DeleteSetElement(message))
                } else {
                    Step::Make(NfTablesMessage::NewSetElement(message))
                }
            })
            .collect()
    }
}

/// Two daemons in one namespace differ in their runtime directories. A slash may stand in a name,
/// also for nft.
fn table_of(runtime_dir: &Path) -> String {
    if runtime_dir == Path::new("/run/xvrrp") {
        return "xvrrp".to_owned();
    }
    let absolute = std::path::absolute(runtime_dir).unwrap_or_else(|_| runtime_dir.to_owned());
    format!("xvrrp{}", absolute.display())
}

fn table(name: &str, delete: bool) -> NfTablesMessage {
    let message = TableMessage { attributes: vec![TableAttribute::Name(name.to_owned())] };
    if delete { NfTablesMessage::DeleteTable(message) } else { NfTablesMessage::NewTable(message) }
}

/// A set of addresses, and where the destination of a packet is found.
struct Set {
    name: &'static str,
    /// What nft calls the key: `ipv4_addr` is 7, `ipv6_addr` 8, `iface_index` 20; of two parts the
    /// first stands 6 bits higher.
    key_type: u32,
    key_length: u32,
    nfproto: u8,
    with_interface: bool,
    /// Offset and length of the destination in the IP header.
    destination: (u32, u32),
}

static SETS: [Set; 3] = [
    Set {
        name: "ipv4",
        key_type: 7,
        key_length: 4,
        nfproto: IPV4,
        with_interface: false,
        destination: (16, 4),
    },
    Set {
        name: "ipv6",
        key_type: 8,
        key_length: 16,
        nfproto: IPV6,
        with_interface: false,
        destination: (24, 16),
    },
    Set {
        name: "link_local",
        key_type: 20 << 6 | 8,
        key_length: 20,
        nfproto: IPV6,
        with_interface: true,
        destination: (24, 16),
    },
];

impl Set {
    /// What is sent to one of the set is counted and dropped.
    fn rule(&self) -> Vec<Expression> {
        let mut rule = vec![
            load_meta(MetaKey::Nfproto, Register::Reg1),
            compare(Operator::Equal, self.nfproto),
        ];
        let (offset, length) = self.destination;
        // The first register is that of 16 octets, and that of its first 4.
        if self.with_interface {
            rule.push(load_meta(MetaKey::Iif, Register::Reg1));
            rule.push(load(Base::Network, offset, length, Register::Reg32_01));
        } else {
            rule.push(load(Base::Network, offset, length, Register::Reg1));
        }
        rule.extend([is_in(self.name, Register::Reg1), count(), drop_packet()]);
        rule
    }
}

/// Neighbor Discovery is never dropped (RFC 9568 6.1, Accept_Mode).
fn neighbor_discovery() -> Vec<Expression> {
    vec![
        load_meta(MetaKey::L4Proto, Register::Reg1),
        compare(Operator::Equal, ICMPV6),
        load(Base::Transport, 0, 1, Register::Reg1),
        compare(Operator::GreatherThanEqual, SOLICITATION),
        compare(Operator::LessThanEqual, ADVERTISEMENT),
        accept(),
    ]
}
