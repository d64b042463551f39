//! `vrrp_script`, `vrrp_track_process` and `track_file`.

use std::time::Duration;

use super::{
    Argument, Block, GROUP, Kind, MAX_SECONDS, PATH, Section, Support::Done, USER, keyword, names,
    one, one_or_more, optional, secs, word,
};
use crate::trackers::{MATCHINGS, MAX_WEIGHT, MAX_WEIGHT_OF_FILES};

const MATCHING_NAMES: [&str; 2] = names(&MATCHINGS);

/// Of scripts and interfaces.
const WEIGHT: &[Argument] =
    &[one("WEIGHT", Kind::Number(-MAX_WEIGHT, MAX_WEIGHT)), word("reverse")];
/// Of files and processes.
const WEIGHT_OF_FILES: &[Argument] =
    &[one("WEIGHT", Kind::Number(-MAX_WEIGHT_OF_FILES, MAX_WEIGHT_OF_FILES)), word("reverse")];
const TIMES: &[Argument] = &[one("TIMES", Kind::Number(1, i32::MAX as i64))];
const DELAY: &[Argument] = &[one("SECONDS", Kind::Seconds(Duration::from_micros(1), secs(3600)))];
/// 0 is raised to 1, with a report of its own.
const INTERVAL: &[Argument] = &[one("SECONDS", Kind::Seconds(Duration::ZERO, MAX_SECONDS))];

pub(super) static SECTIONS: &[Section] = &[
    Section {
        title: "vrrp_script",
        inside: &[Block::Script],
        support: Done,
        rows: &[
            keyword("script", "the command: no shell runs it; exit status 0 is success")
                .takes(&[one_or_more("COMMAND", Kind::Command)]).missing_is_reported(),
            keyword("interval", "time between runs").takes(INTERVAL).default("1"),
            keyword("timeout", "a run that takes longer has failed")
                .takes(INTERVAL)
                .default("as interval"),
            keyword("weight", "is added to the priority on success, if below 0 on failure; 0: failure is FAULT")
                .takes(WEIGHT)
                .default("0"),
            keyword("rise", "so many successes in a row are one").takes(TIMES).default("1"),
            keyword("fall", "so many failures in a row are one").takes(TIMES).default("1"),
            keyword("user", "whose rights it has")
                .takes(&[one("USER", USER), optional("GROUP", GROUP)])
                .default("as script_user"),
            keyword("init_fail", "it has failed until it succeeds").default("off"),
        ],
    },
    Section {
        title: "vrrp_track_process",
        inside: &[Block::TrackProcess],
        support: Done,
        rows: &[
            keyword("process", "the exact name of the processes, and their arguments").first_counts()
                .takes(&[one_or_more("COMMAND", Kind::Free("a program and its arguments"))]),
            keyword("param_match", "the arguments may go on behind those given")
                .takes(&[one("HOW", Kind::Choice(&MATCHING_NAMES))]).missing_is_reported()
                .default("they have to be the same"),
            keyword("weight", "is added to the priority while they run, if below 0 while they do not; 0: FAULT")
                .takes(WEIGHT_OF_FILES).missing_is_reported()
                .default("0"),
            keyword("quorum", "so many have to run")
                .takes(&[one("NUMBER", Kind::Number(1, 65535))])
                .default("1"),
            keyword("quorum_max", "no more than that may run")
                .takes(&[one("NUMBER", Kind::Number(0, 65535))])
                .default("no limit"),
            keyword("delay", "fork_delay and terminate_delay in one").takes(DELAY).default("0"),
            keyword("fork_delay", "they count after so long").takes(DELAY).default("0"),
            keyword("terminate_delay", "they are missed after so long").takes(DELAY).default("0"),
            keyword("full_command", "the whole command line is compared").default("off"),
        ],
    },
    Section {
        title: "track_file",
        inside: &[Block::TrackFile],
        support: Done,
        rows: &[
            keyword("file", "the file; it contains a number").first_counts().takes(PATH).missing_is_reported(),
            keyword("weight", "the number is multiplied with it and added to the priority; 0: another number than 0 is FAULT")
                .takes(WEIGHT_OF_FILES).missing_is_reported()
                .default("1"),
            keyword("init_file", "the file is created with this number at the start")
                .takes(&[
                    optional("VALUE", Kind::Number(i32::MIN as i64, i32::MAX as i64)),
                    word("overwrite"),
                ])
                .default("off; 0"),
        ],
    },
];
