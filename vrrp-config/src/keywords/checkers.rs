//! The checks of a real server.

use std::time::Duration;

use super::{
    Argument, Block, GROUP, INTERFACE, Kind, LVS, NEWER, PORT, SWITCH, Section,
    Support::Deprecated,
    TEXT, USER, any, keyword,
    lvs::{POSITIVE_TIME, TIME},
    one, one_or_more, optional, word,
};

const RETRYING: &[Block] = &[
    Block::VirtualServer,
    Block::RealServer,
    Block::PlainCheck,
    Block::HttpCheck,
    Block::SmtpCheck,
    Block::DnsCheck,
    Block::UdpCheck,
    Block::MiscCheck,
];
const CHECKS: &[Block] = &[
    Block::PlainCheck,
    Block::HttpCheck,
    Block::SmtpCheck,
    Block::DnsCheck,
    Block::UdpCheck,
    Block::MiscCheck,
];
const CONNECTING: &[Block] = &[
    Block::PlainCheck,
    Block::HttpCheck,
    Block::SmtpCheck,
    Block::SmtpHost,
    Block::DnsCheck,
    Block::UdpCheck,
];

const ADDRESS: &[Argument] = &[one("ADDRESS", Kind::Address)];
const PORT_NUMBER: &[Argument] = &[one("PORT", PORT)];
const OFFSET: &[Argument] = &[one("BYTES", Kind::Number(0, u32::MAX as i64))];
const LENGTH: &[Argument] = &[one("BYTES", Kind::Number(0, 65535))];
const HEX: Kind = Kind::Checked(is_hex, "hexadecimal digits");
const LOOP: &[Argument] = &[one("SECONDS", Kind::Seconds(Duration::from_micros(1), Duration::MAX))];
const DELAY: &[Argument] = &[one("SECONDS", Kind::Seconds(Duration::ZERO, Duration::MAX))];
/// The questions that DNS_CHECK can ask.
const RECORDS: &[&str] = &["A", "NS", "CNAME", "SOA", "MX", "TXT", "AAAA"];
const REGEX_OPTIONS: &[&str] = &[
    "allow_empty_class",
    "alt_bsux",
    "auto_callout",
    "caseless",
    "dollar_endonly",
    "dotall",
    "dupnames",
    "extended",
    "firstline",
    "match_unset_backref",
    "multiline",
    "never_ucp",
    "never_utf",
    "no_auto_capture",
    "no_auto_possess",
    "no_dotstar_anchor",
    "no_start_optimize",
    "ucp",
    "ungreedy",
    "utf",
    "never_backslash_c",
    "alt_circumflex",
    "alt_verbnames",
    "use_offset_limit",
];

pub(super) static SECTIONS: &[Section] = &[
    Section {
        title: "virtual_server, real_server and checks: when",
        inside: RETRYING,
        support: LVS,
        rows: &[
            keyword("delay_loop", "time between checks").takes(LOOP).default("60"),
            keyword("delay_before_retry", "time until a failed check is repeated")
                .takes(DELAY)
                .default("1; HTTP_GET and SSL_GET 3, DNS_CHECK as delay_loop"),
            keyword("warmup", "the first check is after a random part of it; 0: at once")
                .takes(DELAY)
                .default("as delay_loop"),
        ],
    },
    Section {
        title: "Checks",
        inside: CHECKS,
        support: LVS,
        rows: &[
            keyword("alpha", "down until the first check succeeds")
                .takes(SWITCH)
                .default("as the real server"),
            keyword("log_all_failures", "each failed check is logged")
                .takes(SWITCH)
                .default("as checker_log_all_failures"),
            keyword("retry", "so many more failures are needed")
                .takes(&[one("TIMES", Kind::Number(0, u32::MAX as i64))])
                .default("1; MISC_CHECK 0, DNS_CHECK 3"),
        ],
    },
    Section {
        title: "Checks: where to",
        inside: CONNECTING,
        support: LVS,
        rows: &[
            keyword("connect_ip", "the address that is checked")
                .takes(ADDRESS)
                .default("that of the real server"),
            keyword("connect_port", "the port that is checked")
                .takes(PORT_NUMBER)
                .default("that of the real server"),
            keyword("bindto", "our address").takes(ADDRESS),
            keyword("bind_port", "our port").takes(PORT_NUMBER).default("any"),
            keyword("bind_if", "our interface").takes(INTERFACE),
            keyword("connect_timeout", "a connection has to be there after so long")
                .takes(POSITIVE_TIME)
                .default("5"),
            keyword("fwmark", "mark of the packets")
                .takes(&[one("MARK", Kind::Number(0, u32::MAX as i64))])
                .default("none"),
        ],
    },
    Section {
        title: "HTTP_GET and SSL_GET",
        inside: &[Block::HttpCheck],
        support: LVS,
        rows: &[
            keyword("url", "a page; several are asked for in turn").opens(Block::Url),
            keyword("http_protocol", "version of HTTP; 1.0C: 1.0 with `Connection: close`")
                .takes(&[one("VERSION", Kind::Choice(&["1.0", "1.0C", "1.0c", "1.1"]))])
                .missing_is_reported()
                .default("1.0"),
            keyword("virtualhost", "name that is asked for").takes(TEXT).missing_is_reported(),
            keyword("enable_sni", "the name is in the TLS greeting, too")
                .takes(SWITCH)
                .default("off"),
            keyword("sni_name", "the name in the TLS greeting")
                .takes(TEXT)
                .default("as virtualhost")
                .since(NEWER),
            keyword("fast_recovery", "no pause between pages after a failure")
                .takes(SWITCH)
                .default("off"),
            keyword("tls_compliant", "an end without a TLS alert is a failure")
                .takes(SWITCH)
                .default("off")
                .since(NEWER),
            keyword("nb_get_retry", "old spelling of retry")
                .takes(&[one("TIMES", Kind::Number(1, u32::MAX as i64))])
                .default("as retry")
                .support(Deprecated("retry")),
        ],
    },
    Section {
        title: "url",
        inside: &[Block::Url],
        support: LVS,
        rows: &[
            keyword("path", "the page").takes(TEXT).default("/"),
            keyword("digest", "MD5 of the page, from genhash")
                .takes(&[one("MD5", Kind::Checked(is_digest, "32 hexadecimal digits"))]),
            keyword("status_code", "status codes that are right")
                .takes(&[one_or_more(
                    "CODE",
                    Kind::Checked(is_status, "a code of 100-599, or a range: 200-299"),
                )])
                .missing_is_reported()
                .default("200-299"),
            keyword("virtualhost", "name that is asked for").takes(TEXT).missing_is_reported(),
            keyword("username", "user that the page asks for").takes(TEXT).since(NEWER),
            keyword("password", "password that the page asks for").takes(TEXT).since(NEWER),
            keyword("tls_compliant", "an end without a TLS alert is a failure")
                .takes(SWITCH)
                .default("off")
                .since(NEWER),
            keyword("regex", "has to be found in the page")
                .takes(&[one("REGEX", Kind::Free("a regular expression of PCRE2"))])
                .missing_is_reported(),
            keyword("regex_no_match", "must not be found").default("off"),
            keyword("regex_options", "options of the regular expression")
                .takes(&[one_or_more("OPTION", Kind::Choice(REGEX_OPTIONS))])
                .missing_is_reported()
                .default("none"),
            keyword("regex_stack", "stack of the regular expression")
                .takes(&[
                    one("START", Kind::Number(1, i32::MAX as i64)),
                    one("MOST", Kind::Number(1, i32::MAX as i64)),
                ])
                .missing_is_reported()
                .default("as PCRE2 has it"),
            keyword("regex_min_offset", "searches from there")
                .takes(OFFSET)
                .missing_is_reported()
                .default("0"),
            keyword("regex_max_offset", "searches up to there")
                .takes(OFFSET)
                .missing_is_reported()
                .default("the end of the page"),
        ],
    },
    Section {
        title: "SMTP_CHECK",
        inside: &[Block::SmtpCheck],
        support: LVS,
        rows: &[
            keyword("helo_name", "our name in the greeting")
                .takes(TEXT)
                .missing_is_reported()
                .default("smtpchecker.keepalived.org"),
            keyword("host", "where to, in old files").opens(Block::SmtpHost),
        ],
    },
    Section {
        title: "MISC_CHECK",
        inside: &[Block::MiscCheck],
        support: LVS,
        rows: &[
            keyword("misc_path", "the command")
                .takes(&[one_or_more("COMMAND", Kind::Command)])
                .missing_is_reported(),
            keyword("misc_timeout", "a run that takes longer has failed")
                .takes(TIME)
                .default("as delay_loop"),
            keyword("misc_dynamic", "an exit status of 2-255 sets the weight").default("off"),
            keyword("user", "whose rights it has")
                .takes(&[one("USER", USER), optional("GROUP", GROUP)])
                .missing_is_reported()
                .default("as script_user"),
        ],
    },
    Section {
        title: "DNS_CHECK",
        inside: &[Block::DnsCheck],
        support: LVS,
        rows: &[
            keyword("type", "the kind of record that is asked for")
                .takes(&[one("RECORD", Kind::AnyCase(RECORDS))])
                .default("SOA"),
            keyword("name", "the name that is asked for").takes(TEXT).default("."),
        ],
    },
    Section {
        title: "UDP_CHECK",
        inside: &[Block::UdpCheck],
        support: LVS,
        rows: &[
            keyword("payload", "what is sent")
                .takes(&[one_or_more("HEX", HEX)])
                .missing_is_reported()
                .default("something random"),
            keyword("require_reply", "an answer is needed, perhaps this one")
                .takes(&[any("HEX", Kind::Checked(is_pattern, "hexadecimal digits; x: any digit"))])
                .default("off"),
            keyword("min_reply_length", "the shortest answer").takes(LENGTH).default("0"),
            keyword("max_reply_length", "the longest answer").takes(LENGTH).default("255"),
        ],
    },
    Section {
        title: "BFD_CHECK",
        inside: &[Block::BfdCheck],
        support: LVS,
        rows: &[keyword("name", "the bfd_instance")
            .takes(&[one("NAME", Kind::Free("a bfd_instance"))])
            .missing_is_reported()],
    },
    Section {
        title: "FILE_CHECK",
        inside: &[Block::FileCheck],
        support: LVS,
        rows: &[
            keyword("track_file", "the track_file")
                .takes(&[one("NAME", Kind::Free("the name of a track_file"))]),
            keyword("weight", "the number is multiplied with it")
                .takes(&[
                    one("WEIGHT", Kind::Number(-2_147_483_647, 2_147_483_647)),
                    word("reverse"),
                ])
                .missing_is_reported()
                .default("as the track_file"),
        ],
    },
];

fn is_hex(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn is_pattern(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_hexdigit() || matches!(byte, b'x' | b'X'))
}

fn is_digest(text: &str) -> bool {
    text.len() == 32 && is_hex(text)
}

fn is_status(text: &str) -> bool {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let code = |text: &str| text.parse().ok().filter(|code: &u16| (100..600).contains(code));
    matches!((code(first), code(last)), (Some(first), Some(last)) if first <= last)
}
