//! How long the kernel programs take for one frame.

use std::{
    iter,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use aya::{
    Ebpf,
    programs::{SchedClassifier, TestRun, TestRunOptions, Xdp},
};
use rig::{
    Mac, Times,
    wire::{self, Advert},
};
use vrrp_common::{
    Family, Version, Vrid,
    abi::Kind,
    ladder::{Believe, Rules, address_set},
    wire::{ethernet::Vlan, ipv4::VRRP_GROUP, vrrp::Auth},
};
use xvrrp::{
    datapath::{Address, Datapath, Presence, Program, Sizes},
    pulse,
};

use crate::{
    Scale,
    object::{leave_with, object},
    quiet::watched,
    result::{Row, Section, Table},
    stats::{self, Ran},
};

const TEXT: &str = "Each program runs on one frame by BPF_PROG_TEST_RUN, with a fresh copy each time, \
and the kernel measures its run time. Shown is how much longer that is than for an empty program of \
the same type on the same frame, measured in turn: caches are warm, and the time that reading the \
clock takes is left out.";

/// The loopback device: where a test run says a frame came in.
const IFINDEX: u32 = 1;
const SLOT: u32 = 1;
const VRID: u8 = 51;
const OWN: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);
const PEER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 3);
const VIP: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 254);
const PEER_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 3);
const VIP_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 254);
const DEVICE_MAC: Mac = Mac::local(2);
const PEER_MAC: Mac = Mac::local(3);
/// Longer than any measurement.
const LEASE: Duration = Duration::from_secs(3600);
const IPPROTO_TCP: u8 = 6;

/// A frame, and the counter that tells that it was taken for what it is; `None` when it concerns
/// nobody.
struct Case {
    name: &'static str,
    frame: Vec<u8>,
    counter: Option<&'static str>,
}

/// Run times of the programs for both hooks.
///
/// # Errors
/// Not root, the kernel does not take a program, or a frame is not taken for what it is.
pub(crate) fn measure(scale: Scale) -> Result<Section> {
    let _measured = stats::measure_run_times()?;
    let (rounds, runs) = scale.pick((3, 2_000), (10, 10_000));
    let mut bench = Bench::new()?;
    let mut rows = Vec::new();
    for case in bench.cases()? {
        eprintln!("runtime, {}", case.name);
        bench.check(&case)?;
        let (figures, foreign) = watched(|| {
            let mut figures: [Vec<f64>; 2] = Default::default();
            for _ in 0..rounds {
                for (program, figures) in PROGRAMS.into_iter().zip(&mut figures) {
                    let ours = bench.mean(Subject::Ours(program), &case.frame, runs)?;
                    figures.push(ours - bench.mean(Subject::Empty(program), &case.frame, runs)?);
                }
            }
            Ok(figures)
        })?;
        let figures = figures.map(|figures| Some(Times::new(figures.into_iter())));
        rows.push(Row { work: case.name.into(), figures, foreign });
    }
    let table = Table {
        title: format!("More than the empty program, {rounds} x {runs} runs"),
        unit: "ns",
        subjects: ["XDP", "tcx"],
        ratio: false,
        logarithmic: false,
        rows,
    };
    Ok(Section {
        name: "runtime",
        title: "Run time of the kernel programs",
        text: TEXT.into(),
        tables: vec![table],
    })
}

/// In the order of the columns.
const PROGRAMS: [Program; 2] = [Program::Xdp, Program::Ingress];

#[derive(Clone, Copy)]
enum Subject {
    Ours(Program),
    Empty(Program),
}

/// The programs under test with one open virtual router, and the empty ones.
struct Bench {
    datapath: Datapath,
    empty: Ebpf,
}

impl Bench {
    fn new() -> Result<Self> {
        let mut datapath = Datapath::load(Sizes { routers: 4, addresses: 4 }, false, false)?;
        let vrid = Vrid::new(VRID).context("a VRID is not 0")?;
        datapath.add_router(IFINDEX, Vlan::NONE, Family::V4, vrid, SLOT)?;
        for (address, answer_mac) in [
            (IpAddr::from(VIP), Mac::of_virtual_router(VRID)),
            (VIP_V6.into(), Mac::of_virtual_router_v6(VRID)),
        ] {
            let (vlan, answer_mac, device_mac) = (Vlan::NONE, answer_mac.0, DEVICE_MAC.0);
            let entry = Address { ifindex: IFINDEX, vlan, address, answer_mac, device_mac };
            datapath.add_address(&entry, SLOT)?;
        }
        let slots = datapath.slots();
        let slot = slots.get(SLOT);
        slot.set_rules(&Rules {
            version: Version::V3,
            destination: VRRP_GROUP.into(),
            own: OWN.octets().into(),
            own_priority: 100,
            auth: Auth::None,
            adver_int: 1,
            believe: Believe::Either,
            addresses: address_set(&[VIP.octets()]),
            link_local_first: false,
            check_addresses: false,
            owner_ignores: false,
            unicast: false,
            deferred: false,
        });
        let mut empty = Ebpf::load(&empty_object()?)?;
        xdp(&mut empty)?.load()?;
        classifier(&mut empty)?.load()?;
        Ok(Self { datapath, empty })
    }

    /// The frames; from here on an advert of the peer is no news, and the host answers.
    fn cases(&mut self) -> Result<Vec<Case>> {
        let advert = Advert::new(PEER_MAC, PEER.into(), VRID, vec![VIP.into()]);
        let advert = Advert { priority: 200, ..advert };
        let absorbed = advert.frame();
        self.run(Subject::Ours(Program::Xdp), &absorbed)?;
        let slots = self.datapath.slots();
        let slot = slots.get(SLOT);
        slot.expect(slot.answer(Kind::Higher).heard.digest, 0);
        slot.open(pulse::now() + LEASE);
        slot.set_presence(Presence::Installed);

        let mut rejected = absorbed.clone();
        // The last octet of the address, which the checksum covers.
        *rejected.last_mut().context("an advert is not empty")? ^= 1;
        let link = (DEVICE_MAC, PEER_MAC);
        let tcp = |to| wire::ipv4(link, (PEER, to), 64, IPPROTO_TCP, &[0; 40]);
        let solicitation = wire::neighbor_solicitation(None, (PEER_MAC, PEER_V6), VIP_V6);
        let request = wire::arp_request(Mac::BROADCAST, (PEER_MAC, PEER), VIP);
        let case = |name, frame, counter| Case { name, frame, counter };
        Ok(vec![
            case("unrelated IPv4/TCP", tcp(OWN), None),
            case("unrelated IPv6/TCP", tcp_ipv6(), None),
            case("absorbed advert", absorbed, Some("adverts_absorbed")),
            case("rejected advert", rejected, Some("rejected_")),
            case("answered ARP request", request, Some("arp_answered")),
            case("answered Neighbor Solicitation", solicitation, Some("nd_answered")),
            case("TCP to a VIP while MASTER", tcp(VIP), None),
        ])
    }

    /// Fails unless both programs take the frame for what it is.
    fn check(&mut self, case: &Case) -> Result<()> {
        for program in PROGRAMS {
            let before = self.counters()?;
            self.run(Subject::Ours(program), &case.frame)?;
            let moved: Vec<_> = iter::zip(self.counters()?, before)
                .filter(|((_, after), (_, before))| after != before)
                .map(|((name, _), _)| name)
                .collect();
            let fits = match case.counter {
                Some(counter) => moved.iter().any(|name| name.starts_with(counter)),
                None => moved.is_empty(),
            };
            ensure!(fits, "{program:?} on `{}` counted {moved:?}", case.name);
        }
        Ok(())
    }

    fn counters(&self) -> Result<Vec<(String, u64)>> {
        Ok(self.datapath.counters(SLOT)?)
    }

    /// Mean time of `runs` runs, ns.
    fn mean(&mut self, subject: Subject, frame: &[u8], runs: u32) -> Result<f64> {
        let before = Ran::of_process("self")?;
        for _ in 0..runs {
            self.run(subject, frame)?;
        }
        let ran = Ran::of_process("self")? - before;
        ensure!(ran.count == u64::from(runs), "{} runs were counted, not {runs}", ran.count);
        Ok(ran.mean_ns())
    }

    fn run(&mut self, subject: Subject, frame: &[u8]) -> Result<()> {
        let mut out = [0; 256];
        let program = match subject {
            Subject::Ours(program) => {
                self.datapath.test_run(program, frame, &mut out)?;
                return Ok(());
            }
            Subject::Empty(program) => program,
        };
        let options = TestRunOptions {
            data_in: Some(frame),
            data_out: Some(&mut out),
            repeat: 1,
            ..TestRunOptions::new()
        };
        match program {
            Program::Xdp => xdp(&mut self.empty)?.test_run(options)?,
            Program::Ingress | Program::Egress => classifier(&mut self.empty)?.test_run(options)?,
        };
        Ok(())
    }
}

fn xdp(empty: &mut Ebpf) -> Result<&mut Xdp> {
    Ok(empty.program_mut("empty_xdp").context("no empty program")?.try_into()?)
}

fn classifier(empty: &mut Ebpf) -> Result<&mut SchedClassifier> {
    Ok(empty.program_mut("empty_tcx").context("no empty program")?.try_into()?)
}

/// Programs that return 2: XDP_PASS, and TC_ACT_SHOT, which a test run only reports.
fn empty_object() -> Result<Vec<u8>> {
    let code = leave_with(2);
    object(&[("xdp", "empty_xdp", &code), ("classifier", "empty_tcx", &code)])
}

/// A TCP segment without payload, of IPv6, between strangers.
fn tcp_ipv6() -> Vec<u8> {
    let ethernet = [&DEVICE_MAC.0[..], &PEER_MAC.0, &[0x86, 0xdd]].concat();
    let fixed = [0x60, 0, 0, 0, 0, 20, IPPROTO_TCP, 64];
    let own = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 2);
    [&ethernet[..], &fixed, &PEER_V6.octets(), &own.octets(), &[0; 20]].concat()
}
