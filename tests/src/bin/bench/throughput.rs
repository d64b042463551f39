//! What the programs cost the other traffic of an interface.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, anyhow};
use rig::{Lab, Mac, Node, Process, Times};
use rustix::net::netdevice::name_to_index;
use serde_json::Value;
use vrrp_common::wire::ethernet::Vlan;
use xvrrp::datapath::{Address, Datapath, Mode, Sizes};

use crate::{
    SETTLING, Scale,
    quiet::watched,
    result::{Row, Section, Table},
};

const TEXT: &str = "TCP between a client and the address of a host itself through one cable (veth with \
its default settings), while the host's end has our programs in one mode or another, with 255 virtual \
addresses in their tables, and none of this traffic is theirs: how much goes through in each direction \
(iperf3, one connection), and how often a connection carries one octet there and one back. `auto` is \
tcx with the program for what leaves. The first column is with the programs, the second without any, \
measured in turn.";

const OUTSIDE: Mac = Mac::local(0xee);
const ADDRESSES: u8 = 255;
const PORT: u16 = 5201;
const ECHO_PORT: u16 = 7;

/// What is on the interface: a mode, and whether there is a program for what leaves.
const CASES: [(&str, Mode, bool); 7] = [
    ("auto: tcx and egress", Mode::Tcx, true),
    ("tcx", Mode::Tcx, false),
    ("generic and egress", Mode::Generic, true),
    ("generic", Mode::Generic, false),
    ("native and egress", Mode::Native, true),
    ("native", Mode::Native, false),
    ("egress", Mode::None, true),
];

/// Names and units of the figures, in the order of [`Figures`].
const FIGURES: [(&str, &str); 3] = [
    ("TCP to the host", "Gbit/s"),
    ("TCP from the host", "Gbit/s"),
    ("Requests and responses", "1/s"),
];
type Figures = [f64; FIGURES.len()];

/// Traffic with and without the programs.
///
/// # Errors
/// A lab cannot be made, a program cannot be attached, or iperf3 failed.
pub(crate) fn measure(scale: Scale) -> Result<Section> {
    let (rounds, seconds) = scale.pick((1, 1), (5, 2));
    let bench = Bench::new()?;
    let mut rows: [Vec<Row>; FIGURES.len()] = Default::default();
    for (name, mode, egress) in CASES {
        let mut samples: [Vec<Figures>; 2] = Default::default();
        let mut foreign: f64 = 0.0;
        for round in 1..=rounds {
            let (with, share) =
                watched(|| bench.with_programs(mode, egress, || bench.figures(seconds)))?;
            foreign = foreign.max(share);
            let (without, share) = watched(|| bench.figures(seconds))?;
            foreign = foreign.max(share);
            eprintln!(
                "throughput, {name}, round {round} of {rounds}: {with:.1?} with, {without:.1?} without"
            );
            samples[0].push(with);
            samples[1].push(without);
        }
        for (figure, rows) in rows.iter_mut().enumerate() {
            let figures =
                samples.each_ref().map(|it| Some(Times::new(it.iter().map(|it| it[figure]))));
            rows.push(Row { work: name.into(), figures, foreign });
        }
    }
    let tables = FIGURES.into_iter().zip(rows).map(|((title, unit), rows)| Table {
        title: title.into(),
        unit,
        subjects: ["with programs", "without"],
        ratio: true,
        logarithmic: false,
        rows,
    });
    Ok(Section {
        name: "throughput",
        title: "Other traffic",
        text: TEXT.into(),
        tables: tables.collect(),
    })
}

/// A host, its client, and what answers on the host.
struct Bench {
    lab: Lab,
    _iperf: Process,
    host: Ipv4Addr,
    index: u32,
}

impl Bench {
    fn new() -> Result<Self> {
        let lab = Lab::new(1)?;
        let (node, client) = (lab.node(0), lab.client());
        node.join(client)?;
        let host = Ipv4Addr::new(198, 51, 100, node.address().octets()[3]);
        let index = node
            .namespace()
            .enter(|| Ok(name_to_index(UdpSocket::bind("0.0.0.0:0")?, Node::SECOND_INTERFACE)?))?;
        let mut iperf = node.command("iperf3");
        iperf.args(["--server", "--forceflush", "--port", &PORT.to_string()]);
        let iperf = node.spawn("iperf3", iperf)?;
        iperf.wait_for_line(std::time::UNIX_EPOCH, "Server listening", SETTLING)?;
        Ok(Self { lab, _iperf: iperf, host, index })
    }

    /// Has the programs on the host's interface meanwhile.
    fn with_programs<T>(
        &self,
        mode: Mode,
        egress: bool,
        work: impl FnOnce() -> Result<T>,
    ) -> Result<T> {
        let addresses = u32::from(ADDRESSES);
        let mut datapath = Datapath::load(Sizes { routers: 1, addresses }, false, false)?;
        for host in 1..=ADDRESSES {
            let (address, mac) = (Ipv4Addr::new(198, 18, 0, host).into(), OUTSIDE.0);
            let (ifindex, vlan) = (self.index, Vlan::NONE);
            let entry = Address { ifindex, vlan, address, answer_mac: mac, device_mac: mac };
            datapath.add_address(&entry, 1)?;
        }
        let namespace = self.lab.node(0).namespace();
        namespace.enter(|| {
            datapath.attach(self.index, &[mode])?;
            if egress {
                datapath.attach_egress(self.index)?;
            }
            Ok(())
        })?;
        let outcome = work();
        namespace.enter(|| {
            datapath.detach_all();
            Ok(())
        })?;
        outcome
    }

    fn figures(&self, seconds: u64) -> Result<Figures> {
        let exchanged = self.exchange(Duration::from_secs(seconds))?;
        Ok([self.iperf(seconds, &[])?, self.iperf(seconds, &["--reverse"])?, exchanged])
    }

    /// Gbit/s of one connection.
    fn iperf(&self, seconds: u64, options: &[&str]) -> Result<f64> {
        let (host, port, time) = (self.host.to_string(), PORT.to_string(), seconds.to_string());
        let iperf = ["iperf3", "--client", &host, "--port", &port, "--time", &time, "--json"];
        let report = self.lab.client().run(&[&iperf[..], options].concat())?;
        let report: Value = serde_json::from_str(&report)?;
        let rate = report["end"]["sum_received"]["bits_per_second"].as_f64();
        Ok(rate.context("iperf3 tells no rate")? / 1e9)
    }

    /// How often in a second an octet goes to the host and one comes back.
    fn exchange(&self, time: Duration) -> Result<f64> {
        let address = SocketAddr::from((self.host, ECHO_PORT));
        let listener = self.lab.node(0).namespace().enter(|| Ok(TcpListener::bind(address)?))?;
        let server = thread::spawn(move || -> Result<()> {
            let (mut connection, _) = listener.accept()?;
            connection.set_nodelay(true)?;
            let mut octet = [0];
            // Until the client has closed it.
            while connection.read(&mut octet)? == octet.len() {
                connection.write_all(&octet)?;
            }
            Ok(())
        });
        let rate = self.lab.client().namespace().enter(|| {
            let mut connection = TcpStream::connect(address)?;
            connection.set_nodelay(true)?;
            let (mut octet, mut count) = ([0], 0_u32);
            let began = Instant::now();
            while began.elapsed() < time {
                connection.write_all(&octet)?;
                connection.read_exact(&mut octet)?;
                count += 1;
            }
            Ok(f64::from(count) / began.elapsed().as_secs_f64())
        })?;
        server.join().map_err(|_| anyhow!("panic in the server"))??;
        Ok(rate)
    }
}
