//! The table of keywords: arguments are checked at their place, also of what only keepalived runs.
#![allow(clippy::unwrap_used, reason = "a test may panic, and so may its helpers")]

mod support;

use support::{codes, global, instance, parse};
use vrrp_config::Severity;

/// Errors and warnings about a text: code, quoted place, help.
fn complaints(text: &str) -> Vec<(&'static str, String)> {
    let loaded = parse(text);
    let loud = loaded.diagnostics.iter().filter(|d| d.severity <= Severity::Warning);
    loud.map(|d| (d.code, loaded.sources.excerpt(d.span).to_owned())).collect()
}

/// A line in a check of a real server.
fn check(block: &str, line: &str) -> String {
    server(&format!("{block} {{\n{line}\n}}"))
}

/// Lines in a real server.
fn server(lines: &str) -> String {
    service(&format!("real_server 10.0.0.3 80 {{\n{lines}\n}}"))
}

/// Lines in a virtual server.
fn service(lines: &str) -> String {
    block("virtual_server 10.0.0.1 80", &format!("{SERVICE}{lines}"))
}

/// What every virtual server needs.
const SERVICE: &str = "lvs_sched rr\nlvs_method NAT\nprotocol TCP\nreal_server 10.0.0.2 80 {\n}\n";

/// Lines in a block outside all others.
fn block(head: &str, lines: &str) -> String {
    format!("{head} {{\n{lines}\n}}\n")
}

/// Keyword sections 1.2 to 1.13: each kind of argument, in each block, is reported at the word that is
/// wrong. Verdicts as of keepalived 2.2.7, which reports all of them and runs.
#[test]
fn wrong_values_are_reported_at_their_place() {
    let http = |line: &str| check("HTTP_GET", &block("url", &format!("path /\n{line}")));
    for (text, code, place) in [
        (global("smtp_connect_timeout 4295"), "E0031", "4295"),
        (global("smtp_server 10.0.0.1 65536"), "E0031", "65536"),
        (global("startup_script_timeout 1001"), "E0031", "1001"),
        (global("smtp_alert maybe"), "E0032", "maybe"),
        (global("data_use_instance ON"), "E0032", "ON"),
        (global("umask FOO"), "E0032", "FOO"),
        (global("umask 01000"), "E0032", "01000"),
        (global("umask 022 033"), "E0211", "033"),
        (global("umask IRUSR IWGRP"), "E0211", "IWGRP"),
        (global("umask IRUSR | IWGRP IROTH"), "E0211", "IROTH"),
        (global("umask IRUSR | | IWGRP"), "E0032", "|"),
        (global("umask IRUSR |"), "E0032", "|"),
        (global("umask IRUSR | IRWXO"), "E0032", "IRWXO"),
        (global("random_seed x"), "E0030", "x"),
        (global("vrrp_rx_bufs_policy FOO"), "E0032", "FOO"),
        (global("vrrp_garp_extra_if all 86401"), "E0031", "86401"),
        (global("dynamic_interfaces foo"), "E0211", "foo"),
        (global("max_auto_priority 100"), "E0031", "100"),
        (global("checker_rt_priority 100"), "E0031", "100"),
        (global("bfd_cpu_affinity 0 x 1"), "E0030", "x"),
        (global("include_check +match -bar"), "E0032", "-bar"),
        (global("json_version 3"), "E0032", "3"),
        (global("lvs_timeouts tcp 1 foo 3"), "E0211", "foo"),
        (global("lvs_timeouts tcp 2678401"), "E0031", "2678401"),
        (global("lvs_timeouts udp"), "E0022", "udp"),
        (global("lvs_sync_daemon eth0 id 256 port 8848"), "E0031", "256"),
        (global("lvs_sync_daemon eth0 VI_1 group 10.0.0.1"), "E0034", "10.0.0.1"),
        (global("lvs_sync_daemon eth0123456789012"), "E0035", "eth0123456789012"),
        (global("snmp_vs_stats_update_interval 31"), "E0031", "31"),
        (instance("debug 5"), "E0031", "5"),
        (instance("old_unicast_checksum foo"), "E0032", "foo"),
        (instance("garp_extra_if all 86401"), "E0031", "86401"),
        (instance("smtp_alert maybe"), "E0032", "maybe"),
        (instance("kernel_rx_buf_size x"), "E0030", "x"),
        (block("vrrp_track_process p", "process a\nquorum 0"), "E0031", "0"),
        (block("vrrp_track_process p", "process a\nparam_match foo"), "E0032", "foo"),
        (block("vrrp_track_process p", "process a\ndelay 3601"), "E0031", "3601"),
        (block("vrrp_track_process p", "process a\nweight 255"), "E0031", "255"),
        (block("vrrp_script s", "script /bin/true\nweight 254"), "E0031", "254"),
        (block("vrrp_script s", "script /bin/true\nweight 5 revers"), "E0211", "revers"),
        (block("vrrp_script s", "script /bin/true\nrise 0"), "E0031", "0"),
        (block("track_file f", "file /a\ninit_file 5 foo"), "E0211", "foo"),
        (block("bfd_instance b", "neighbor_ip 10.0.0\n"), "E0033", "10.0.0"),
        (block("bfd_instance b", "neighbour_ip ::1\nmin_rx 0"), "E0031", "0"),
        (block("bfd_instance b", "neighbor_ip ::1\nidle_tx 999.9"), "E0031", "999.9"),
        (block("bfd_instance b", "neighbor_ip ::1\nmultiplier 256"), "E0031", "256"),
        (block("garp_group", "interface eth0\ngna_interval x"), "E0030", "x"),
        (block("virtual_server_group g", "10.0.0.1-300 80"), "E0033", "10.0.0.1-300"),
        (block("virtual_server_group g", "10.0.0.9-10.0.0.1"), "E0033", "10.0.0.9-10.0.0.1"),
        (block("virtual_server_group g", "2001:db8::/129 80"), "E0033", "2001:db8::/129"),
        (block("virtual_server_group g", "10.0.0.1 99999"), "E0031", "99999"),
        (block("virtual_server_group g", "fwmark x"), "E0030", "x"),
        (
            block(
                "virtual_server fwmark x",
                &SERVICE.replace("protocol TCP\n", "").replace(" 80", ""),
            ),
            "E0030",
            "x",
        ),
        (block("virtual_server 10.0.0.256 80", SERVICE), "E0033", "10.0.0.256"),
        (service("lb_algo foo"), "E0032", "foo"),
        (service("lb_kind nat"), "E0032", "nat"),
        (service("lvs_method TUN type foo"), "E0032", "foo"),
        (service("delay_loop 0"), "E0031", "0"),
        (service("persistence_timeout 0"), "E0031", "0"),
        (service("persistence_granularity x"), "E0033", "x"),
        (service("protocol FOO"), "E0032", "FOO"),
        (service("quorum 0"), "E0031", "0"),
        (service("ip_family inet5"), "E0032", "inet5"),
        (service("sorry_server x 80"), "E0033", "x"),
        (server("weight -1"), "E0031", "-1"),
        (server("retry 0"), "E0031", "0"),
        (server("alpha maybe"), "E0032", "maybe"),
        (check("TCP_CHECK", "connect_port 0"), "E0031", "0"),
        (check("TCP_CHECK", "connect_timeout 0"), "E0031", "0"),
        (check("PING_CHECK", "bindto x"), "E0033", "x"),
        (check("SMTP_CHECK", "host {\nconnect_ip x\n}"), "E0033", "x"),
        (check("HTTP_GET", "http_protocol 2.0\nurl {\npath /\n}"), "E0032", "2.0"),
        (http("status_code 200 600"), "E0032", "600"),
        (http("status_code 300-200"), "E0032", "300-200"),
        (http("digest zz"), "E0032", "zz"),
        (http("regex_options caseless foo"), "E0032", "foo"),
        (check("MISC_CHECK", "misc_path /a\nmisc_timeout x"), "E0030", "x"),
        (check("DNS_CHECK", "type FOO"), "E0032", "FOO"),
        (check("UDP_CHECK", "payload 0 zz"), "E0032", "zz"),
        (check("UDP_CHECK", "max_reply_length 70000"), "E0031", "70000"),
        (
            block("track_file f", "file /a") + &check("FILE_CHECK", "track_file f\nweight 3 foo"),
            "E0211",
            "foo",
        ),
    ] {
        assert_eq!(complaints(&text), [(code, place.to_owned())], "{text}");
        assert_eq!(parse(&text).verdict().exit_code(), 5, "{text}");
    }
}

/// The same sections: values at the ends of their ranges, and every spelling that keepalived takes.
#[test]
fn right_values_are_not_reported() {
    for text in [
        global(
            "umask 0x3f\numask IRUSR |IWGRP| IXOTH\numask IWOTH|IRGRP\nsmtp_server mail.example 25",
        ),
        global("lvs_timeouts tcp 1 tcpfin 0 udp 2678400\nlvs_flush_on_stop VS"),
        global("lvs_sync_daemon eth0 inst VI_1 id 0 maxlen 65507 port 1 ttl 255 group ff02::81"),
        global(
            "include_check\nreload_check_config\nmax_auto_priority -1\nvrrp_garp_extra_if all 1",
        ),
        block(
            "vrrp_track_process p",
            "process a b\nquorum_max 0\ndelay 0.000001\nweight -254 reverse",
        ),
        block("track_file f", "file /a\ninit_file overwrite"),
        block(
            "bfd_instance b",
            "neighbor_ip ::1\nmin_rx 1\nidle_tx 1000\nmax_hops -1\nweight 0 reverse",
        ),
        block(
            "virtual_server_group g",
            "10.0.0.1-9 80\n10.0.0.1-10.0.0.9\n2001:db8::1-ffff 443\nfwmark 7 inet6",
        ),
        block("virtual_server fwmark 7", "lb_algo twos\nlb_kind DR\nreal_server 10.0.0.2 {\n}"),
        service("protocol udp\nops"),
        block("virtual_server_group g", "10.0.0.1 80")
            + &block(
                "virtual_server group g",
                &format!("{SERVICE}lvs_method TUN type gue port 6080 csum"),
            ),
        service(
            "persistence_timeout\npersistence_granularity 255.255.255.0\nwarmup 0\ndelay_loop 0.5",
        ),
        server("weight 0\nlvs_method DR\nnotify_up \"/a b\" root root"),
        check(
            "HTTP_GET",
            "url {\npath /\nstatus_code 200-299 404\ndigest 9b3a0c85a887a256d6939da88aabd8cd\n}",
        ),
        check("UDP_CHECK", "payload Ab12f 3\nrequire_reply 0x1"),
        check("DNS_CHECK", "type aaaa\nname a.example"),
    ] {
        assert_eq!(complaints(&text), [], "{text}");
    }
}

/// Section 8: old spellings count, and are named; keepalived's own reports have their exit status.
#[test]
fn old_spellings() {
    for (text, code, exit) in [
        (global("vrrp_rlimit_rtime 10000"), "H0210", 0),
        (global("vrrp_vmac_garp_intvl 10"), "E0024", 5),
        (instance("vmac_garp_intvl 10"), "E0024", 5),
        (instance("linkbeat_use_polling"), "E0024", 5),
        (instance("lvs_sync_daemon_interface eth0"), "E0024", 5),
        (format!("{}{}", block("vrrp_track_file f", "file /a"), instance("")), "H0210", 0),
        (check("HTTP_GET", "nb_get_retry 3\nurl {\npath /\n}"), "E0024", 5),
    ] {
        let loaded = parse(&text);
        assert!(codes(&loaded).contains(&code), "{text}: {}", loaded.render(false));
        assert_eq!(loaded.verdict().exit_code(), exit, "{text}");
    }
    for text in [
        service("lb_algo rr\nlb_kind DR"),
        global("lvs_process_name x\nenable_snmp_keepalived\nlvs_flush_onstop"),
    ] {
        assert_eq!(complaints(&text), [], "{text}");
    }
}

/// `vrrp_strict off` is strict in keepalived 2.2.7, which does not look at the word.
#[test]
fn a_flag_has_no_off() {
    let loaded = parse(&global("vrrp_strict off"));
    assert_eq!(codes(&loaded), ["W0025"]);
    assert!(loaded.config.unwrap().instances[0].owner_ignores, "strict mode is not on");
}

/// A keyword without its words: the usage line says which.
#[test]
fn missing_words_name_the_usage() {
    let loaded = parse(&service("real_server"));
    let help = loaded.diagnostics.iter().find(|d| d.code == "E0003").unwrap().help.clone();
    assert_eq!(
        help.as_deref(),
        Some(
            "write `real_server ADDRESS [PORT] { ... }`: keepalived does not start with this line"
        )
    );
}

/// Keywords that keepalived 2.2.7 does not replace: the first line counts, which both report.
#[test]
fn the_first_counts() {
    let loaded = parse(&instance("state MASTER\nstate BACKUP"));
    assert_eq!(codes(&loaded), ["E0212"]);
    let state = loaded.config.unwrap().instances[0].state;
    assert_eq!(state, vrrp_config::InitialState::Master);
    let loaded = parse(&instance("state BACKUP\nstate BACKUP"));
    assert_eq!((codes(&loaded), loaded.verdict().exit_code()), (vec!["W0026"], 0));
    let twice = server("notify_up /a\nnotify_up /b");
    assert_eq!(complaints(&twice), [("E0212", "notify_up".to_owned())]);
}

/// Section 1.12: what does not fit together in a virtual_server, as keepalived 2.2.7 reports it.
#[test]
fn virtual_servers_as_a_whole() {
    let without = |line: &str| service("").replace(line, "");
    let method = |method: &str| service("").replace("lvs_method NAT", method);
    for (text, place) in [
        ("virtual_server 10.0.0.1 80 {\n}\n".to_owned(), "virtual_server 10.0.0.1 80"),
        (without("lvs_sched rr\n"), "virtual_server 10.0.0.1 80"),
        (without("lvs_method NAT\n"), "virtual_server 10.0.0.1 80"),
        (without("protocol TCP\n"), "virtual_server 10.0.0.1 80"),
        (block("virtual_server 10.0.0.1", SERVICE), "virtual_server 10.0.0.1"),
        (block("virtual_server fwmark 7", &SERVICE.replace(" 80", "")), "protocol TCP"),
        (
            block(
                "virtual_server fwmark 7",
                &SERVICE.replace("protocol TCP\n", "").replace("NAT", "DR"),
            ),
            "real_server 10.0.0.2 80",
        ),
        (service("ops"), "ops"),
        (service("sh-port"), "sh-port"),
        (service("sorry_server_inhibit\nsorry_server 10.0.0.9 80"), "sorry_server_inhibit"),
        (service("sorry_server fe80::9 80"), "sorry_server fe80::9 80"),
        (service("quorum 2"), "quorum 2"),
        (service("hysteresis 1"), "hysteresis 1"),
        (service("real_server 10.0.0.2 80 {\n}"), "real_server 10.0.0.2 80"),
        (service("real_server fe80::2 80 {\n}"), "real_server fe80::2 80"),
        (method("lvs_method DR").replace("10.0.0.2 80", "10.0.0.2 81"), "real_server 10.0.0.2 81"),
        (
            block("virtual_server_group g", "10.0.0.1 80\nfwmark 7")
                + &block("virtual_server group g", &SERVICE.replace("NAT", "DR")),
            "real_server 10.0.0.2 80",
        ),
        (
            block("virtual_server_group g", "fwmark 7") + &block("virtual_server group g", SERVICE),
            "protocol TCP",
        ),
        (method("lvs_method TUN type gue"), "lvs_method TUN type gue"),
        (check("HTTP_GET", ""), "HTTP_GET"),
        (check("HTTP_GET", "url {\n}"), "url"),
        (check("MISC_CHECK", ""), "MISC_CHECK"),
        ("virtual_server_group g {\n}\n".to_owned(), "virtual_server_group g"),
    ] {
        assert_eq!(complaints(&text), [("E0213", place.to_owned())], "{text}");
        assert_eq!(parse(&text).verdict().exit_code(), 5, "{text}");
    }
    assert_eq!(complaints(&check("BFD_CHECK", "name b")), [("E0070", "name b".to_owned())]);
    for text in [
        service("weight 2\nquorum 2\nhysteresis 1"),
        method("lvs_method TUN").replace("10.0.0.2", "fe80::2"),
        without("lvs_method NAT\n").replace("80 {\n}", "80 {\nlvs_method DR\n}"),
        block("virtual_server 10.0.0.1", &format!("{SERVICE}persistence_timeout")),
        block("virtual_server fwmark 7", &SERVICE.replace("protocol TCP\n", "")),
        block("bfd_instance b", "neighbor_ip 10.0.0.9") + &check("BFD_CHECK", "name b"),
    ] {
        assert_eq!(complaints(&text), [], "{text}");
    }
}
