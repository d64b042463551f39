//! Who answers for the address when its MASTER dies, hangs or is overtaken.

use std::{
    net::Ipv4Addr,
    thread,
    time::{Duration, SystemTime},
};

use anyhow::{Context, Result, ensure};
use rig::{
    Answers, Capture, Config, Daemon, Hung, Lab, Launch, Node, Process, Questions, Router, Seen,
    Signal, Takeover, ms_between, wait_until,
    wire::{ArpParty, What},
};

use crate::{
    SETTLING, Scale,
    in_turn::{self, Figure, Figures},
    pair::Pair,
    quiet::watched,
    result::Section,
};

const TEXT: &str = "The MASTER (an advert each 100 ms) is killed with SIGKILL, stopped with SIGSTOP, or \
only its thread that sends adverts is stopped (ptrace), and the BACKUP takes over; what was stopped goes \
on later. Or a router of higher priority starts, and the MASTER is stopped with SIGSTOP shortly before \
that one takes over, which it does three intervals and the skew after its own start. Each host is asked each millisecond at its own MAC who has the address, and for a \
TCP connection to it. A process of the old MASTER's host talks from the address all the time, to a host \
that does not exist, so that the kernel has questions to ask in its name. keepalived leaves the address \
where it is when it dies or hangs: then two hosts answer.";
const VIP: Ipv4Addr = Pair::VIP;
/// Nobody has it.
const NOBODY: Ipv4Addr = Lab::address(77);
const INTERVAL: Duration = Duration::from_millis(100);
/// In which the BACKUP takes over, and in which they agree afterwards.
const WATCH: Duration = Duration::from_millis(800);
/// With everything as it should be.
const CALM: Duration = Duration::from_millis(300);
/// After an interval one of higher priority has heard the MASTER; this much later it has not yet
/// taken over.
const RETURN: Duration = Duration::from_millis(180);
const FIGURES: [Figure; 7] = [
    ("Two hosts answered", "ms"),
    ("First answer to ARP by the heir after the last advert, over 3 x advert_int + skew", "ms"),
    ("First connection to the heir after the last advert, over 3 x advert_int + skew", "ms"),
    ("Longest time without any answer", "ms"),
    ("How long the old MASTER answered after its last advert", "ms"),
    ("ARP frames in the name of the address by a host that had been replaced", ""),
    ("Answers of a host that goes on, before its own advert", ""),
];

/// What happens to the MASTER.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Harm {
    Killed,
    Stopped,
    PulseStopped,
    /// Stopped while a router of higher priority comes back.
    Overtaken,
}

impl Harm {
    const ALL: [Self; 4] = [Self::Killed, Self::Stopped, Self::PulseStopped, Self::Overtaken];

    const fn name(self) -> &'static str {
        match self {
            Self::Killed => "SIGKILL",
            Self::Stopped => "SIGSTOP",
            Self::PulseStopped => "hung pulse",
            Self::Overtaken => "SIGSTOP and return",
        }
    }
}

/// Both daemons in each way to fail, started in each way.
///
/// # Errors
/// A lab cannot be made, or a router does not do its work.
pub(crate) fn measure(scale: Scale) -> Result<Section> {
    let runs = scale.pick(2, 20);
    let mut tables = in_turn::tables(FIGURES, false);
    for harm in Harm::ALL {
        for launch in Launch::ALL {
            let how = match launch {
                Launch::Nsenter => "nsenter",
                Launch::NetnsExec => "ip netns exec",
                Launch::PrivateMounts => "unshare -m",
                Launch::Container => "unshare -pf",
            };
            let work = format!("{}, {how}", harm.name());
            in_turn::measure(&mut tables, ("answerers", &work), runs, |daemon, run| {
                watched(|| one(daemon, launch, harm, run))
            })?;
        }
    }
    Ok(Section {
        name: "answerers",
        title: "Who answers",
        text: TEXT.into(),
        tables: tables.into(),
    })
}

/// What happened in one run.
struct Story {
    last_advert: SystemTime,
    /// First advert of the heir.
    takeover: SystemTime,
    /// When what was stopped went on; the dead do not.
    resumed: Option<SystemTime>,
    /// First advert of the old MASTER after that.
    next_advert: Option<SystemTime>,
    end: SystemTime,
    /// Active_Down_Interval of the heir.
    limit: Duration,
    old: Answers,
    heir: Answers,
    /// When the old MASTER's host sent ARP in the name of the address.
    named: Vec<SystemTime>,
}

impl Story {
    fn figures(&self) -> Figures<{ FIGURES.len() }> {
        let over = |answers: &[SystemTime]| {
            let first = answers.iter().find(|at| **at > self.last_advert);
            first.map(|first| ms_between(self.last_advert + self.limit, *first))
        };
        // From its takeover until it speaks again, the old one has nothing to say.
        let until = self.next_advert.unwrap_or(self.end);
        let fenced = self.named.iter().filter(|at| (self.takeover..until).contains(at)).count();
        let hasty = self.resumed.map(|resumed| {
            let answers = self.old.arp.iter().chain(&self.old.tcp);
            answers.filter(|at| (resumed..until).contains(at)).count() as f64
        });
        [
            Some(self.old.overlap(&self.heir).as_secs_f64() * 1e3),
            over(&self.heir.arp),
            over(&self.heir.tcp),
            self.longest_silence(),
            self.afterlife(),
            Some(fenced as f64),
            hasty,
        ]
    }

    /// How long nobody answered, at worst.
    fn longest_silence(&self) -> Option<f64> {
        let mut spans: Vec<_> = self.old.spans.iter().chain(&self.heir.spans).collect();
        spans.sort_by_key(|span| *span.start());
        let mut silences = Vec::new();
        let mut answered = *spans.first()?.end();
        for span in spans {
            silences.push(ms_between(answered, *span.start()).max(0.0));
            answered = answered.max(*span.end());
        }
        silences.into_iter().max_by(f64::total_cmp)
    }

    /// From the old MASTER's last advert to its last answer before it goes on.
    fn afterlife(&self) -> Option<f64> {
        let end = self.resumed.unwrap_or(self.end);
        let answers = self.old.arp.iter().chain(&self.old.tcp).filter(|at| **at < end);
        Some(ms_between(self.last_advert, *answers.max()?))
    }
}

/// One failure, its takeover, and what follows when the old MASTER goes on.
fn one(daemon: Daemon, launch: Launch, harm: Harm, run: u16) -> Result<Figures<{ FIGURES.len() }>> {
    let lab = Lab::new(2)?;
    let (old, heir) = (lab.node(0), lab.node(1));
    let capture = Capture::start(lab.client())?;
    let config = |priority| Pair::config(priority, INTERVAL);
    let (ours, theirs) = match harm {
        Harm::Overtaken => (Pair::LOWER, Pair::HIGHER),
        _ => (Pair::HIGHER, Pair::LOWER),
    };
    let start = |node, priority, state| {
        let router = Router::start_by(launch, node, daemon, &config(priority).to_string())?;
        router.wait_for_state(router.started(), Config::INSTANCE, state, SETTLING)?;
        anyhow::Ok(router)
    };
    let mut master = start(old, ours, "MASTER")?;
    let _talker = talker(old)?;
    let questions = Questions::start(&lab, VIP)?;
    if harm != Harm::Overtaken {
        let backup = start(heir, theirs, "BACKUP")?;
        thread::sleep(CALM);
        let now = SystemTime::now();
        let beat = capture.expect("an advert", now, SETTLING, |seen| seen.is_advert_of(old))?;
        wait_for(beat.at + Takeover::phase(run, INTERVAL));
        return observe(&lab, &capture, (harm, &mut master), questions, &config(theirs), backup);
    }
    thread::sleep(CALM);
    let backup = start(heir, theirs, "BACKUP")?;
    thread::sleep(INTERVAL + Takeover::phase(run, RETURN));
    observe(&lab, &capture, (harm, &mut master), questions, &config(theirs), backup)
}

/// Does the harm, and tells what follows.
fn observe(
    lab: &Lab,
    capture: &Capture,
    (harm, master): (Harm, &mut Router),
    questions: Questions,
    heir: &Config,
    _backup: Router,
) -> Result<Figures<{ FIGURES.len() }>> {
    let of_old = |seen: &&Seen| seen.is_advert_of(lab.node(0));
    let hung = match harm {
        Harm::Killed => master.process().kill().map(|()| None)?,
        Harm::Stopped | Harm::Overtaken => {
            master.process().signal_group(Signal::STOP)?;
            None
        }
        Harm::PulseStopped => Some(Hung::stop(master.pulse_thread()?)?),
    };
    thread::sleep(WATCH);
    let resumed = (harm != Harm::Killed).then(SystemTime::now);
    match harm {
        Harm::Killed => {}
        Harm::Stopped | Harm::Overtaken => master.process().signal_group(Signal::CONT)?,
        Harm::PulseStopped => drop(hung),
    }
    thread::sleep(WATCH);
    let end = SystemTime::now();
    let mut answers = questions.end(capture)?.into_iter();
    let seen = capture.seen();
    let mut heirs = seen.iter().filter(|seen| seen.is_advert_of(lab.node(1)));
    let last = seen.iter().filter(of_old).rfind(|seen| resumed.is_none_or(|at| seen.at < at));
    let next = seen.iter().filter(of_old).find(|seen| resumed.is_some_and(|at| seen.at >= at));
    let named = seen.iter().filter(|seen| {
        seen.from == lab.node(0).mac() && speaker(&seen.what).is_some_and(|party| party.1 == VIP)
    });
    let last_advert = last.context("the MASTER sent no advert")?.at;
    let silence = ms_between(last_advert, resumed.unwrap_or(end));
    ensure!(silence > WATCH.as_secs_f64() * 500.0, "the harmed MASTER sends on");
    let story = Story {
        last_advert,
        takeover: heirs.find(|seen| seen.at > last_advert).context("nobody took over")?.at,
        resumed,
        next_advert: next.map(|seen| seen.at),
        end,
        limit: heir.active_down_interval(),
        old: answers.next().context("nobody was asked")?,
        heir: answers.next().context("only one was asked")?,
        named: named.map(|seen| seen.at).collect(),
    };
    Ok(story.figures())
}

/// Talks from the address to a host that does not exist. The kernel asks for that host each 20 ms, in
/// the name of the address, as it does by default.
fn talker(node: &Node) -> Result<Process> {
    let has_address = || Ok(node.addresses()?.contains(&VIP.into()));
    wait_until("the address", SETTLING, has_address)?;
    let interface = Node::INTERFACE;
    node.set_sysctl(&format!("ipv4/conf/{interface}/arp_announce"), "0")?;
    node.set_sysctl(&format!("ipv4/neigh/{interface}/retrans_time_ms"), "20")?;
    let mut ping = node.command("ping");
    ping.args(["-q", "-i", "0.02", "-I", &VIP.to_string(), &NOBODY.to_string()]);
    node.spawn("a talker", ping)
}

/// In whose name an ARP frame is.
fn speaker(what: &What) -> Option<ArpParty> {
    match what {
        What::GratuitousArp { sender }
        | What::ArpRequest { sender, .. }
        | What::ArpReply { sender, .. } => Some(*sender),
        _ => None,
    }
}

fn wait_for(moment: SystemTime) {
    thread::sleep(moment.duration_since(SystemTime::now()).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_millis(1000 + ms)
    }

    fn answers(spans: &[(u64, u64)], arp: &[u64], tcp: &[u64]) -> Answers {
        Answers {
            arp: arp.iter().copied().map(at).collect(),
            tcp: tcp.iter().copied().map(at).collect(),
            spans: spans.iter().map(|(from, to)| at(*from)..=at(*to)).collect(),
        }
    }

    /// Issue 4 row 10: what counts is who answered when, before and after the old MASTER goes on.
    #[test]
    fn a_story_is_summed_up() {
        let story = Story {
            last_advert: at(0),
            takeover: at(361),
            resumed: Some(at(800)),
            next_advert: Some(at(805)),
            end: at(1600),
            limit: Duration::from_millis(360),
            old: answers(&[(0, 300), (803, 1600)], &[5, 300, 803, 900], &[299, 900]),
            heir: answers(&[(362, 804)], &[362, 804], &[364]),
            named: [200, 500, 900].map(at).into(),
        };
        let expected = [1.0, 2.0, 4.0, 62.0, 300.0, 1.0, 1.0].map(Some);
        assert_eq!(story.figures(), expected);
        let dead = Story { resumed: None, next_advert: None, ..story };
        assert_eq!((dead.figures()[5], dead.figures()[6]), (Some(2.0), None));
    }
}
