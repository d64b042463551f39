//! The adverts of the vector file against a running daemon. A Backup hears a good advert and then
//! the vector; nobody says anything after that. Whether the vector was accepted shows in the moment
//! at which the Backup takes over: an Active_Down_Interval after the good advert, or after the
//! vector by the interval that this one says.
#![expect(clippy::unwrap_used, reason = "a test ends where something fails")]

use std::{
    collections::BTreeMap,
    fmt::Write,
    net::IpAddr,
    path::Path,
    thread,
    time::{Duration, SystemTime},
};

use anyhow::{Result, bail};
use rig::{
    Bench, Capture, Daemon, Lab, Mac, Node, PacketSocket, Router, Seen, active_down_interval,
    ms_between, skew_time,
    vectors::{self, Vector},
    wait_until,
    wire::{Advert, What},
};
use serde_json::Value;

/// Nodes that work at the same time.
const NODES: u8 = 10;
/// When the vector is said, after the good advert.
const THEN: Duration = Duration::from_millis(800);
/// What that many daemons may add to each other's times.
const TOLERANCE: Duration = Duration::from_millis(300);
/// The client may see a frame earlier than the clock of the sender says.
const EARLY: Duration = Duration::from_millis(5);
/// A takeover that is due later is not waited for: the silence until here says enough.
const PATIENCE: Duration = Duration::from_secs(6);

/// Vectors whose context no configuration can express, and why.
const LEFT_OUT: [(&str, &str); 8] = [
    ("valid_v3_ipv4_vlan100", "not every kernel has VLAN devices, see datapath_arp.rs"),
    ("valid_v3_ipv6_vlan100", "not every kernel has VLAN devices, see datapath_ipv6.rs"),
    ("inv_v3_ipv4_csum_rfc5798_strict", "both forms of the checksum are believed"),
    ("inv_v3_ipv4_csum_rfc9568_at_5798", "both forms of the checksum are believed"),
    ("inv_v2_addr_list", "the address list is not checked"),
    ("inv_v3_ipv4_local_owner_text", "an owner, see startup.rs"),
    ("inv_v2_local_owner", "an owner, see startup.rs"),
    ("pol_v3_ipv4_local_owner_erratum", "an owner, see startup.rs"),
];

/// A vector with the configuration that it assumes.
struct Case {
    vector: Vector,
    context: String,
}

impl Case {
    fn number(&self, key: &str) -> Option<u64> {
        self.vector.context.get(key)?.as_u64()
    }

    fn text(&self, key: &str) -> &str {
        self.vector.context.get(key).and_then(Value::as_str).unwrap_or_default()
    }

    fn version(&self) -> u8 {
        self.number("configured_version").unwrap() as u8
    }

    fn priority(&self) -> u8 {
        self.number("local_priority").unwrap() as u8
    }

    fn vrid(&self) -> u8 {
        self.vector.context["vrids"][0].as_u64().unwrap() as u8
    }

    fn local(&self) -> IpAddr {
        self.text("local_ip").parse().unwrap()
    }

    fn vips(&self) -> Vec<IpAddr> {
        let vips = self.vector.context["vips"].as_array().unwrap();
        vips.iter().map(|vip| vip.as_str().unwrap().parse().unwrap()).collect()
    }

    fn password(&self) -> Vec<u8> {
        let hex = self.text("auth_data");
        (0..hex.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
            .collect()
    }

    fn config(&self) -> String {
        let (vrid, version, interface) = (self.vrid(), self.version(), Node::INTERFACE);
        let interval = self.number("adver_int_cs").map_or(1.0, |cs| cs as f64 / 100.0);
        let mut text = format!(
            "vrrp_instance V {{\n interface {interface}\n virtual_router_id {vrid}\n version {version}\n \
             priority {}\n advert_int {interval}\n",
            self.priority()
        );
        if self.number("auth_type") == Some(1) {
            let password = String::from_utf8(self.password()).unwrap();
            let auth = format!("auth_type PASS\n auth_pass \"{password}\"");
            writeln!(text, " authentication {{\n {auth}\n }}").unwrap();
        }
        text += " virtual_ipaddress {\n";
        self.vips().iter().for_each(|vip| writeln!(text, "  {vip}").unwrap());
        text + " }\n}\n"
    }

    /// An advert that is accepted in any case, each second.
    fn good(&self) -> Vec<u8> {
        let source = match self.local() {
            IpAddr::V4(_) => IpAddr::from([192, 0, 2, 77]),
            IpAddr::V6(_) => IpAddr::from([0xfe80, 0, 0, 0, 0, 0, 0, 0x77]),
        };
        let mut password = [0; 8];
        self.password().iter().zip(&mut password).for_each(|(from, to)| *to = *from);
        let advert = Advert::new(Mac::local(77), source, self.vrid(), self.vips());
        let reserved = self.number("auth_type").unwrap_or(0) as u8;
        Advert { version: self.version(), priority: 255, reserved, password, ..advert }.frame()
    }

    /// When the daemon takes over, after the good advert that was said at `good`, and the vector
    /// that was said at `then`.
    fn takeover(&self, good: SystemTime, then: SystemTime) -> SystemTime {
        let (version, own, second) = (self.version(), self.priority(), Duration::from_secs(1));
        let rejected = good + active_down_interval(version, second, own);
        let said = &self.vector.decoded["vrrp"];
        let priority = said["priority"].as_u64().map(|priority| priority as u8);
        match priority {
            _ if !self.vector.valid => rejected,
            Some(0) => then + skew_time(version, second, own),
            Some(priority) if priority < own => rejected,
            _ => {
                let learned = said["max_adver_int_cs"].as_u64().filter(|_| version == 3);
                let interval = learned.map_or(second, |cs| Duration::from_millis(cs * 10));
                then + active_down_interval(version, interval, own)
            }
        }
    }
}

/// A daemon that runs with the configuration of some cases.
struct Subject<'a> {
    node: &'a Node,
    capture: &'a Capture,
    router: Router,
}

impl<'a> Subject<'a> {
    /// The node gets the addresses that the context says, and the daemon its configuration.
    fn start(node: &'a Node, capture: &'a Capture, case: &Case) -> Result<Self> {
        let device = ["dev", Node::INTERFACE];
        node.run(&[&["ip", "addr", "flush"], &device[..]].concat())?;
        let address = match case.local() {
            IpAddr::V4(local) => vec![format!("{local}/22")],
            IpAddr::V6(local) => vec![format!("{local}/64"), "nodad".to_owned()],
        };
        let address: Vec<_> = address.iter().map(String::as_str).collect();
        node.run(&[&["ip", "addr", "add"], &device[..], &address].concat())?;
        let router = Router::start(node, Daemon::Xvrrp, &case.config())?;
        router.wait_for_state(router.started(), "V", "BACKUP", Bench::SETTLING)?;
        Ok(Self { node, capture, router })
    }

    /// Says the vector to the daemon, and fails when it does not take over when it should.
    fn try_out(&self, case: &Case) -> Result<()> {
        let cable = PacketSocket::at_switch(self.node)?;
        cable.send(&case.good())?;
        let is_backup = || Ok(self.router.status()?[0].state == "BACKUP");
        wait_until("BACKUP", Bench::SETTLING, is_backup)?;
        let good = SystemTime::now();
        cable.send(&case.good())?;
        thread::sleep(THEN);
        let then = SystemTime::now();
        cable.send(&case.vector.frame()?)?;

        let due = case.takeover(good, then);
        let is_waited_for = due < good + PATIENCE;
        let until = if is_waited_for { due + Bench::SETTLING } else { good + PATIENCE };
        let timeout = until.duration_since(SystemTime::now())?;
        let advert =
            |seen: &Seen| seen.from == self.node.mac() && matches!(seen.what, What::Advert { .. });
        match (self.capture.wait_for(good, timeout, advert), is_waited_for) {
            (None, false) => Ok(()),
            (Some(first), true) if (due - EARLY..=due + TOLERANCE).contains(&first.at) => Ok(()),
            (Some(first), _) => {
                let [took, due] = [first.at, due].map(|at| ms_between(good, at));
                bail!("took over {took:.1} ms after the good advert, due was {due:.1}")
            }
            (None, true) => bail!("did not take over"),
        }
    }
}

/// R-5.1.1.3-02, R-5.1.2.3-02, R-5.2.2-02, R-5.2.5-02, R-5.2.5-03, R-5.2.6-02, R-5.2.7-01,
/// R-5.2.8-01 to R-5.2.8-05, R-6.1-06, R-6.4.2-10, R-6.4.2-11, R-6.4.2-13, R-6.4.2-14, R-7.1-01 to
/// R-7.1-08, R-7.1-10, R-7.1-12, R-7.1-13, R-9-02, V-5.3.2-01, V-5.3.6-01, V-5.3.6-02,
/// V-5.3.6.2-01, V-5.3.8-01, V-5.3.10-01, V-6.4.2-06, V-6.4.2-07, V-7.1-01, V-7.1-03, V-7.1-04,
/// V-7.1-06, V-7.1-10, X-01, X-02, X-04, X-06 to X-10: each advert of the vector file, but for those
/// that are left out, is accepted or rejected by a running daemon, as its takeover shows to the
/// millisecond; and one that is rejected, or loses, changes nothing at all.
#[test]
fn every_advert_of_the_vectors_gets_its_verdict() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/vectors.json");
    let vectors = vectors::read(&file).unwrap().into_iter();
    let vectors = vectors.filter(|vector| vector.kind == "vrrp-advert");
    let is_left_out = |vector: &Vector| {
        let is_ah = vector.context.get("auth_type").and_then(Value::as_u64) == Some(2);
        is_ah || LEFT_OUT.iter().any(|(name, _)| *name == vector.name)
    };
    let mut contexts: BTreeMap<String, Vec<Case>> = BTreeMap::new();
    for vector in vectors.filter(|vector| !is_left_out(vector)) {
        let context = serde_json::to_string(&vector.context).unwrap();
        contexts.entry(context.clone()).or_default().push(Case { vector, context });
    }
    let cases: Vec<_> = contexts.into_values().flatten().collect();
    assert!(cases.len() > 80, "{} vectors", cases.len());

    let lab = Lab::with_ipv6(NODES).unwrap();
    lab.nodes().iter().for_each(|node| node.isolate(true).unwrap());
    let capture = Capture::start(lab.client()).unwrap();
    let share = cases.len().div_ceil(NODES.into());
    let wrong = thread::scope(|scope| {
        let try_out = |(node, cases): (&Node, &[Case])| {
            let mut wrong = Vec::new();
            for same in cases.chunk_by(|first, second| first.context == second.context) {
                let subject = Subject::start(node, &capture, &same[0]);
                for case in same {
                    let tried = subject.as_ref().map(|subject| subject.try_out(case));
                    let name = &case.vector.name;
                    match tried {
                        Ok(Ok(())) => {}
                        Ok(Err(why)) => wrong.push(format!("{name}: {why:#}")),
                        Err(why) => wrong.push(format!("{name}: no daemon: {why:#}")),
                    }
                }
            }
            wrong
        };
        let work = lab.nodes().iter().zip(cases.chunks(share));
        let threads: Vec<_> = work.map(|work| scope.spawn(move || try_out(work))).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
    });
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}
