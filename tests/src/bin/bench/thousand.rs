//! A host with 1,020 virtual routers at the shortest usual interval, on either side.

use std::{
    net::Ipv4Addr,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, anyhow, ensure};
use rig::{Daemon, Lab, Node, PacketSocket, Router, wire::Advert};

use crate::{
    SETTLING, Scale,
    cost::Cost,
    count::{Heard, while_counting},
    hogs::be_urgent,
    in_turn::{self, Figure, Figures},
    many::{Load, PER_INTERFACE, name},
    quiet::watched,
    result::Section,
    stats,
    steady::transitions,
};

const TEXT: &str = "1,020 virtual routers with an advert each 10 ms on four interfaces. As BACKUP the \
daemon hears a generator, which sends the 102,000 adverts each second that its MASTER would, as far as \
the machine can; as MASTER it sends them itself, and its neighbour counts. The programs' run time is \
spent in the sender's context, the generator's; the MASTER's time contains the way of its frames to \
the receiver.";
const LOAD: Load = Load { routers: 1020, ms: 10 };
/// After the start.
const CALM: Duration = Duration::from_secs(1);

/// Names and units of the figures of a BACKUP, in the order of [`as_backup`].
const BACKUP: [Figure; 5] = [
    ("BACKUP: adverts that the generator sent", "1/s"),
    ("BACKUP: processor", "% of one"),
    ("BACKUP: context switches", "1/s"),
    ("BACKUP: BPF programs", "% of one processor"),
    ("BACKUP: became MASTER", ""),
];
/// The same of a MASTER, in the order of [`as_master`].
const MASTER: [Figure; 3] = [
    ("MASTER: adverts that were received", "1/s"),
    ("MASTER: longest time between two adverts of a virtual router", "ms"),
    ("MASTER: processor", "% of one"),
];

/// Both daemons as BACKUP and as MASTER.
///
/// # Errors
/// A lab cannot be made, or a router does not get into its state.
pub(crate) fn measure(scale: Scale) -> Result<Section> {
    let _measured = stats::measure_run_times()?;
    let (rounds, window) = scale.pick((1, 3), (3, 10));
    let names = ("thousand", "1020 x 10 ms");
    let mut backup = in_turn::tables(BACKUP, true);
    in_turn::measure(&mut backup, names, rounds, |daemon, _| as_backup(daemon, window))?;
    // The figure is about a whole minute.
    let (rounds, window) = scale.pick((1, 3), (1, 60));
    let mut master = in_turn::tables(MASTER, true);
    in_turn::measure(&mut master, names, rounds, |daemon, _| as_master(daemon, window))?;
    Ok(Section {
        name: "thousand",
        title: "1,020 virtual routers at 10 ms",
        text: TEXT.into(),
        tables: backup.into_iter().chain(master).collect(),
    })
}

/// The daemon on the first node, all its virtual routers in `state`.
fn start(lab: &Lab, interfaces: &[String], daemon: Daemon, state: &str) -> Result<Router> {
    let router = Router::start(lab.node(0), daemon, &LOAD.config(interfaces, 100))?;
    for number in 0..LOAD.routers {
        router.wait_for_state(router.started(), &name(number), state, SETTLING)?;
    }
    thread::sleep(CALM);
    Ok(router)
}

/// What [`BACKUP`] says, and the foreign load.
fn as_backup(daemon: Daemon, seconds: u64) -> Result<(Figures<{ BACKUP.len() }>, f64)> {
    let lab = Lab::new(2)?;
    let interfaces = LOAD.interfaces(&lab)?;
    let generator = Generator::open(lab.node(1), &interfaces)?;
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let adverts = scope.spawn(|| generator.run(&stop));
        let outcome = listen(&lab, &interfaces, daemon, Duration::from_secs(seconds));
        stop.store(true, Ordering::Relaxed);
        let rate = adverts.join().map_err(|_| anyhow!("panic in the generator"))??;
        let ([processor, switches, programs, transitions], foreign) = outcome?;
        Ok(([rate, processor, switches, programs, transitions].map(Some), foreign))
    })
}

/// What [`BACKUP`] says behind the rate of the generator, which runs meanwhile, and the foreign load.
fn listen(
    lab: &Lab,
    interfaces: &[String],
    daemon: Daemon,
    window: Duration,
) -> Result<([f64; BACKUP.len() - 1], f64)> {
    let router = start(lab, interfaces, daemon, "BACKUP")?;
    let ((before, after, time), foreign) = watched(|| {
        let (began, before) = (Instant::now(), Cost::of(lab.node(0))?);
        thread::sleep(window);
        Ok((before, Cost::of(lab.node(0))?, began.elapsed().as_secs_f64()))
    })?;
    let percent = |ns: u64| ns as f64 / time / 1e7;
    let figures = [
        percent(after.processor_ns.saturating_sub(before.processor_ns)),
        after.switches.saturating_sub(before.switches) as f64 / time,
        percent((after.programs - before.programs).ns),
        transitions(&router, "MASTER") as f64,
    ];
    Ok((figures, foreign))
}

/// Adverts of all virtual routers from the second node.
struct Generator {
    frames: Vec<(PacketSocket, Vec<Vec<u8>>)>,
}

impl Generator {
    fn open(node: &Node, interfaces: &[String]) -> Result<Self> {
        let each = interfaces.iter().enumerate().map(|(number, interface)| {
            let source = match number {
                0 => node.address(),
                _ => Ipv4Addr::new(198, 19, number as u8, 2),
            };
            let advert = |vrid: u8| {
                let vip = Ipv4Addr::new(198, 18, number as u8, vrid);
                let advert = Advert::new(node.mac(), source.into(), vrid, vec![vip.into()]);
                Advert { priority: 200, interval: LOAD.advert_int(), ..advert }.frame()
            };
            let adverts = (1..=PER_INTERFACE as u8).map(advert).collect();
            Ok((PacketSocket::to_send_on(node, interface)?, adverts))
        });
        Ok(Self { frames: each.collect::<Result<_>>()? })
    }

    /// Sends until it is stopped; how many adverts in a second.
    fn run(&self, stop: &AtomicBool) -> Result<f64> {
        // A MASTER that is late would be another test.
        be_urgent()?;
        let (began, mut sent) = (Instant::now(), 0_u64);
        let mut next = began;
        while !stop.load(Ordering::Relaxed) {
            for (socket, adverts) in &self.frames {
                for advert in adverts {
                    socket.send(advert)?;
                }
                sent += adverts.len() as u64;
            }
            // Who is behind does not catch up: that would be faster than a MASTER is.
            next = (next + LOAD.advert_int()).max(Instant::now());
            thread::sleep(next.saturating_duration_since(Instant::now()));
        }
        Ok(sent as f64 / began.elapsed().as_secs_f64())
    }
}

/// What [`MASTER`] says, and the foreign load.
fn as_master(daemon: Daemon, seconds: u64) -> Result<(Figures<{ MASTER.len() }>, f64)> {
    let lab = Lab::new(2)?;
    let interfaces = LOAD.interfaces(&lab)?;
    let _router = start(&lab, &interfaces, daemon, "MASTER")?;
    let window = Duration::from_secs(seconds);
    let (heard, processor, foreign) = while_counting(lab.node(1), &interfaces, || {
        let (began, before) = (Instant::now(), Cost::of(lab.node(0))?);
        thread::sleep(window);
        let used = Cost::of(lab.node(0))?.processor_ns.saturating_sub(before.processor_ns);
        Ok(used as f64 / began.elapsed().as_secs_f64() / 1e7)
    })?;
    let Heard { rate, gap, routers } = heard;
    ensure!(routers == usize::from(LOAD.routers), "{routers} virtual routers send adverts");
    Ok(([rate, gap, processor].map(Some), foreign))
}
