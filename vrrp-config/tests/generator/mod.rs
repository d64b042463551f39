//! Configurations with everything in them, the same for each seed. They are such as can come out of a
//! file: what keepalived repairs has been repaired.

mod instance;

use std::{num::NonZeroU32, path::PathBuf, time::Duration};

use vrrp_config::{
    Account, Command, Config, Dbus, Dumps, DynamicInterfaces, Fifo, Garp, Global, Hook, InitFile,
    Interfaces, JsonVersion, Mail, Notify, Parameters, Policy, Process, Reload, ReloadCheck,
    Scheduling, Script, ScriptRules, Statics, SyncGroup, TrackFile, TrackLists, TrackProcess,
    Tracked, User, Weight,
};

/// Routes and the like have tests of their own: here it counts where they stand.
const SAMPLE: &str = "\
vrrp_instance VI_1 {
    interface eth0
    virtual_router_id 1
    virtual_ipaddress {
        10.0.0.1
    }
    virtual_routes {
        10.1.0.0/16 via 10.0.0.9 dev eth0 metric 5
        2001:db8:1::/48 dev eth1 mtu lock 1400 no_track
        10.2.0.0/16 nexthop via 10.0.0.7 dev eth0 weight 2 nexthop via 10.0.0.8 dev eth1 no_track
    }
    virtual_rules {
        from 10.1.0.0/16 table 7 preference 10
        to 2001:db8::/32 iif eth0 prohibit preference 11
    }
}
static_ipaddress {
    10.5.0.1/24 dev eth5 scope link
    2001:db8::5/64 dev eth5
}
static_routes {
    blackhole 10.6.0.0/16 no_track
    default via 10.5.0.254 dev eth5 table 9
}
static_rules {
    fwmark 1/3 table 9 preference 20 no_track
}
garp_group {
    garp_interval 0.5
    interfaces {
        eth1
        eth2
    }
}
linkbeat_interfaces {
    eth3 MII
    eth4
}
interface_up_down_delays {
    eth1 0.000001 0.000002
}
bfd_instance B1 {
    neighbor_ip 10.0.0.9
    weight -5 reverse
}
bfd_instance B2 {
    neighbor_ip 2001:db8::9
}
";

fn sample() -> Config {
    vrrp_config::parse("sample.conf", SAMPLE.as_bytes()).config.unwrap()
}

/// xorshift64*: the same numbers in every run, so that a failing case can be repeated.
pub(crate) struct Generator(u64);

impl Generator {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// A whole configuration.
    pub(crate) fn config(&mut self) -> Config {
        let scripts: Vec<Script> = (0..self.below(4)).map(|n| self.script(n)).collect();
        let files: Vec<TrackFile> = (0..self.below(3)).map(|n| self.file(n)).collect();
        let processes: Vec<TrackProcess> = (0..self.below(3)).map(|n| self.process(n)).collect();
        let sample = sample();
        let mut config = Config {
            global: self.global(),
            statics: Statics {
                addresses: self.some(&sample.statics.addresses),
                routes: self.some(&sample.statics.routes),
                rules: self.some(&sample.statics.rules),
                track_groups: Vec::new(),
            },
            interfaces: Interfaces {
                garp_groups: self.some(&sample.interfaces.garp_groups),
                linkbeat: self.some(&sample.interfaces.linkbeat),
                delays: self.some(&sample.interfaces.delays),
            },
            bfd: self.some(&sample.bfd),
            scripts,
            track_files: files,
            track_processes: processes,
            ..Config::default()
        };
        let (interval, gna_interval) = (self.maybe_delay(), self.maybe_delay());
        for number in 1..=self.below(7) {
            let mut instance = self.instance(number, &config);
            instance.garp = Garp { interval, gna_interval, ..instance.garp };
            config.instances.push(instance);
        }
        self.groups(&mut config);
        config
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() >> 33).unwrap() % limit
    }

    fn coin(&mut self) -> bool {
        self.below(2) == 0
    }

    fn byte(&mut self, least: u8, most: u8) -> u8 {
        least + u8::try_from(self.below(usize::from(most - least) + 1)).unwrap()
    }

    fn number(&mut self, least: u32, most: u32) -> u32 {
        // Small ones, and both ends.
        match self.below(4) {
            0 => least,
            1 => most,
            _ => (least + u32::try_from(self.below(100)).unwrap()).min(most),
        }
    }

    fn option<T>(&mut self, make: impl FnOnce(&mut Self) -> T) -> Option<T> {
        if self.coin() { Some(make(self)) } else { None }
    }

    fn pick<T: Clone>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())].clone()
    }

    /// Some of what there is, in its order.
    fn some<T: Clone>(&mut self, all: &[T]) -> Vec<T> {
        all.iter().filter(|_| self.coin()).cloned().collect()
    }

    /// Anything that can stand in quotes.
    fn text(&mut self) -> String {
        const PIECES: [&str; 20] = [
            "a",
            "B",
            "0",
            ".",
            "/",
            "-",
            "_",
            " ",
            "\"",
            "'",
            "\\",
            "{",
            "}",
            "#",
            "!",
            "$x",
            "\t",
            "\n",
            "\u{e9}",
            "\u{1f980}",
        ];
        let mut text = String::from("t");
        (0..self.below(12)).for_each(|_| text += self.pick(&PIECES));
        text
    }

    fn name(&mut self, kind: &str, number: usize) -> String {
        if self.coin() {
            format!("{kind}_{number}")
        } else {
            format!("{kind}{number}{}", self.text())
        }
    }

    fn path(&mut self) -> PathBuf {
        PathBuf::from(format!("/run/{}", self.text()))
    }

    fn micros(&mut self, most: Duration) -> Duration {
        let micros = [1, 999, 1_000, 500_000, 1_000_000, 1_000_001, 2_500_000, 60_000_000];
        Duration::from_micros(self.pick(&micros)).min(most)
    }

    fn maybe_delay(&mut self) -> Duration {
        self.option(|g| g.micros(Duration::MAX)).unwrap_or_default()
    }

    fn seconds(&mut self, most: u32) -> Duration {
        Duration::from_secs(u64::from(self.number(0, most)))
    }

    fn user(&mut self) -> User {
        User { user: self.account(), group: self.option(Self::account) }
    }

    fn account(&mut self) -> Account {
        if self.coin() { Account::Name(self.text()) } else { Account::Id(self.number(0, u32::MAX)) }
    }

    fn command(&mut self) -> Command {
        let words = 1 + self.below(4);
        let mut argv: Vec<String> = (0..words).map(|_| self.text()).collect();
        argv[0].insert_str(0, "/bin/");
        if self.coin() {
            argv.push(String::new());
        }
        Command { argv, user: self.option(Self::user), span: Default::default() }
    }

    fn weight(&mut self, most: i16) -> Weight {
        let points = self.pick(&[-most, -20, -1, 0, 1, 20, most]);
        Weight::new(points, self.coin()).unwrap()
    }

    fn script(&mut self, number: usize) -> Script {
        let interval = self.micros(Duration::MAX);
        Script {
            name: self.name("script", number),
            span: Default::default(),
            command: self.command(),
            interval,
            timeout: self.option(|g| g.micros(Duration::MAX)).unwrap_or(interval),
            weight: self.weight(253),
            rise: NonZeroU32::new(self.number(1, 0x7fff_ffff)).unwrap(),
            fall: NonZeroU32::new(self.number(1, 0x7fff_ffff)).unwrap(),
            init_fail: self.coin(),
        }
    }

    fn file(&mut self, number: usize) -> TrackFile {
        TrackFile {
            name: self.name("file", number),
            span: Default::default(),
            path: self.path(),
            weight: self.weight(254),
            init: self.option(|g| InitFile {
                value: g.pick(&[i32::MIN, -1, 0, 7, i32::MAX]),
                overwrite: g.coin(),
            }),
        }
    }

    fn process(&mut self, number: usize) -> TrackProcess {
        let words: Vec<String> = (0..=self.below(3)).map(|_| self.text()).collect();
        let parameters = match self.below(5) {
            0 => Parameters::Any,
            1 => Parameters::Exact(Vec::new()),
            2 => Parameters::Exact(words),
            3 => Parameters::First(words),
            _ => Parameters::Initial(words),
        };
        let quorum = self.pick(&[1, 2, u16::MAX]);
        let most = Duration::from_secs(3600);
        TrackProcess {
            name: self.name("process", number),
            span: Default::default(),
            process: self.text(),
            full_command: parameters != Parameters::Any || self.coin(),
            parameters,
            weight: self.weight(254),
            quorum,
            quorum_max: self.option(|g| g.pick(&[0, quorum, u16::MAX])),
            fork_delay: self.option(|g| g.micros(most)).unwrap_or_default(),
            terminate_delay: self.option(|g| g.micros(most)).unwrap_or_default(),
        }
    }

    fn global(&mut self) -> Global {
        Global {
            router_id: self.option(Self::text),
            places: Default::default(),
            drop_foreign: self.coin(),
            pass_on: self.coin(),
            startup_delay: self.maybe_delay().max(Duration::from_millis(1)),
            scheduling: self.scheduling(),
            delay_after_boot: self.option(|_| Duration::from_millis(1)).unwrap_or_default(),
            dynamic_interfaces: self.pick(&[
                DynamicInterfaces::Never,
                DynamicInterfaces::Allowed,
                DynamicInterfaces::AllowChanges,
            ]),
            default_interface: self.option(|_| "eth9".to_owned()),
            log_unknown_vrids: self.coin(),
            mail: Mail {
                recipients: (0..self.below(3)).map(|n| format!("{n}@example.com")).collect(),
                from: self.option(Self::text),
                server: self.pick(&["127.0.0.1", "::1", "mail.example.com"]).to_owned(),
                port: self.pick(&[1, 25, u16::MAX]),
                helo: self.option(Self::text),
                timeout: Duration::from_secs(u64::from(self.number(1, 4294))),
                without_faults: self.coin(),
            },
            fifo: self.option(Self::fifo),
            vrrp_fifo: self.option(Self::fifo),
            fifo_on_reload: self.coin(),
            scripts: ScriptRules {
                user: self.option(Self::user),
                security: self.coin(),
                keep_symlinks: self.coin(),
                supplementary_groups: self.coin(),
            },
            startup: self.option(Self::hook),
            shutdown: self.option(Self::hook),
            process: Process {
                net_namespace: self.option(Self::text),
                instance: self.option(Self::text),
                use_pid_dir: self.coin(),
                child_wait_time: self.seconds(4294),
            },
            dumps: Dumps {
                state: self.option(Self::path),
                stats: self.option(Self::path),
                json: self.option(Self::path),
                json_version: self.pick(&[JsonVersion::Array, JsonVersion::Object]),
                named_by_instance: self.coin(),
            },
            reload: Reload {
                check: match self.below(3) {
                    0 => ReloadCheck::Off,
                    1 => ReloadCheck::On,
                    _ => ReloadCheck::Log(self.path()),
                },
                time_file: self.option(Self::path),
                repeat: self.coin(),
                file: self.option(Self::path),
            },
            dbus: Dbus {
                enabled: self.coin(),
                service_name: self.option(Self::text),
                no_interface_name: self.option(Self::text),
            },
        }
    }

    fn scheduling(&mut self) -> Scheduling {
        Scheduling {
            policy: self.pick(&[Policy::Deadline, Policy::Fifo, Policy::Nice]),
            budget: self.option(|g| g.byte(1, 95)),
            priority: self.option(|g| g.byte(1, 99)),
            nice: self.option(|g| g.pick(&[-20, -1, 0, 19])),
            rttime: self.option(|g| Duration::from_micros(u64::from(g.number(1, u32::MAX)))),
            cpus: (0..self.below(3)).map(|n| u16::try_from(n * 500).unwrap()).collect(),
            no_swap: self.coin(),
        }
    }

    fn fifo(&mut self) -> Fifo {
        Fifo {
            path: self.path(),
            user: self.option(Self::user),
            script: self.option(Self::command),
        }
    }

    fn hook(&mut self) -> Hook {
        let timeout = Duration::from_secs(u64::from(self.number(1, 1000)));
        Hook { command: self.command(), timeout }
    }

    fn notify(&mut self) -> Notify {
        let deleted = self.option(Self::command);
        Notify {
            master: self.option(Self::command),
            backup: self.option(Self::command),
            fault: self.option(Self::command),
            stop: self.option(Self::command),
            any: self.option(Self::command),
            says_deleted: deleted.is_some() || self.coin(),
            deleted,
            master_rx_lower_pri: self.option(Self::command),
            priority_changes: self.coin(),
            mail: self.coin(),
        }
    }

    /// Some of what there is, with any weight.
    fn tracking(&mut self, config: &Config) -> TrackLists {
        let interfaces = ["eth100", "eth101", "eth102"].map(str::to_owned);
        let scripts: Vec<String> = config.scripts.iter().map(|s| s.name.clone()).collect();
        let files: Vec<String> = config.track_files.iter().map(|f| f.name.clone()).collect();
        let processes: Vec<String> =
            config.track_processes.iter().map(|p| p.name.clone()).collect();
        let bfds: Vec<String> = config.bfd.iter().map(|bfd| bfd.name.clone()).collect();
        TrackLists {
            interfaces: self.tracked(&interfaces, 253),
            scripts: self.tracked(&scripts, 253),
            files: self.tracked(&files, 254),
            processes: self.tracked(&processes, 254),
            bfds: self.tracked(&bfds, 253),
        }
    }

    fn tracked(&mut self, names: &[String], most: i16) -> Vec<Tracked> {
        let chosen: Vec<String> = names.iter().filter(|_| self.coin()).cloned().collect();
        let line = |name| Tracked { name, weight: self.weight(most), span: Default::default() };
        chosen.into_iter().map(line).collect()
    }

    /// Puts pairs and single virtual routers into groups.
    fn groups(&mut self, config: &mut Config) {
        let all = Config { instances: Vec::new(), ..config.clone() };
        for (number, members) in config.instances.chunks_mut(2).enumerate() {
            if self.coin() {
                continue;
            }
            let member_weights = self.coin();
            let notify = Notify {
                deleted: None,
                says_deleted: false,
                master_rx_lower_pri: None,
                ..self.notify()
            };
            let mut tracking = self.tracking(&all);
            if members.iter().any(|member| member.priority.is_owner()) {
                let TrackLists { interfaces, scripts, files, processes, bfds } = &mut tracking;
                [interfaces, scripts, files, processes, bfds]
                    .into_iter()
                    .for_each(|list| clear(list));
            }
            for member in members.iter_mut() {
                repair(&mut member.tracking, &tracking, member_weights);
                member.notify.priority_changes |= notify.priority_changes;
            }
            let mut names: Vec<_> = members.iter().map(|member| member.name.clone()).collect();
            if self.coin() {
                names.reverse();
            }
            config.sync_groups.push(SyncGroup {
                name: self.name("G", number),
                span: Default::default(),
                members: names,
                tracking,
                member_weights,
                notify,
            });
        }
    }
}

/// What becomes of what a member tracks.
fn repair(own: &mut TrackLists, common: &TrackLists, member_weights: bool) {
    if !member_weights {
        clear(&mut own.interfaces);
        own.scripts.retain(|tracked| tracked.weight.points() == 0);
        own.files.iter_mut().filter(|file| file.weight.points() == 1).for_each(unweighted);
        own.files.retain(|tracked| tracked.weight.points() == 0);
        own.bfds.retain(|tracked| tracked.weight.points() == 0);
    }
    for (own, common) in [
        (&mut own.interfaces, &common.interfaces),
        (&mut own.scripts, &common.scripts),
        (&mut own.files, &common.files),
        (&mut own.processes, &common.processes),
        (&mut own.bfds, &common.bfds),
    ] {
        own.retain(|tracked| common.iter().all(|other| other.name != tracked.name));
    }
}

fn clear(list: &mut [Tracked]) {
    list.iter_mut().for_each(unweighted);
}

fn unweighted(tracked: &mut Tracked) {
    if tracked.weight.points() != 0 {
        tracked.weight = Weight::default();
    }
}
