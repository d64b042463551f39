//! `virtual_server`: what its lines say together. Each answer is that of keepalived 2.2.7, but that it
//! crashes on a page check without a url.
#![allow(clippy::unwrap_used, reason = "a test may panic, and so may its helpers")]

mod support;

use support::{language::read, parse};
use vrrp_config::Verdict;

const REAL: &str = "real_server 10.0.0.2 80 {\nTCP_CHECK {\n}\n}";

/// A service with scheduler, forwarding and protocol.
fn service(head: &str, lines: &str) -> String {
    format!("virtual_server {head} {{\nlb_algo rr\nlb_kind NAT\nprotocol TCP\n{lines}\n}}\n")
}

/// One of 10.0.0.1:80, with a real server.
fn usual(lines: &str) -> String {
    service("10.0.0.1 80", &format!("{lines}\n{REAL}"))
}

/// One real server with a check.
fn check(block: &str, lines: &str) -> String {
    service("10.0.0.1 80", &format!("real_server 10.0.0.2 80 {{\n{block} {{\n{lines}\n}}\n}}"))
}

fn bare(head: &str, lines: &str) -> String {
    format!("virtual_server {head} {{\n{lines}\n{REAL}\n}}\n")
}

/// Keyword section 1.12: what does not go together is an error, one.
#[test]
fn what_does_not_go_together() {
    let mark = "virtual_server_group G {\nfwmark 3\n}\n";
    let all_ports = "virtual_server_group G {\n10.0.0.1\n}\n";
    let vrrp = "bfd_instance B {\nneighbor_ip 10.0.0.9\nvrrp\n}\n";
    for text in [
        service("10.0.0.1 80", ""),
        service("10.0.0.1 80", "sorry_server 10.0.0.3 80"),
        "virtual_server_group G {\n}\n".to_owned(),
        bare("10.0.0.1 80", "lb_algo rr\nlb_kind NAT"),
        bare("10.0.0.1 80", "lb_algo rr\nprotocol TCP"),
        bare("10.0.0.1 80", "lb_kind NAT\nprotocol TCP"),
        service("10.0.0.1", REAL),
        format!("{all_ports}{}", service("group G", REAL)),
        usual("real_server 2001:db8::2 80 {\n}"),
        usual("sorry_server 2001:db8::2 80"),
        check("TCP_CHECK", "bindto 2001:db8::1"),
        check("TCP_CHECK", "bindto 10.0.0.1\nconnect_ip 2001:db8::1"),
        check("SMTP_CHECK", "host {\nbindto 2001:db8::1\n}"),
        usual(REAL),
        service("fwmark 1", REAL),
        format!("{mark}{}", service("group G", REAL)),
        usual("sh-port"),
        usual("sh-fallback\nlb_algo sh"),
        usual("ops"),
        usual("sorry_server_inhibit\nsorry_server 10.0.0.3 80"),
        usual("quorum 2"),
        usual("hysteresis 1"),
        check("HTTP_GET", ""),
        check("HTTP_GET", "url {\nstatus_code 200\n}"),
        check("MISC_CHECK", ""),
        check("BFD_CHECK", ""),
        check("FILE_CHECK", ""),
        check("UDP_CHECK", "min_reply_length 300"),
        usual("lb_kind DR\nreal_server 10.0.0.3 81 {\n}"),
        bare("fwmark 1", "lb_algo rr\nlb_kind TUN"),
        check("BFD_CHECK", "name NONE"),
        format!("{vrrp}{}", check("BFD_CHECK", "name B")),
        check("FILE_CHECK", "track_file LATE") + "track_file LATE {\nfile /run/x\n}\n",
        usual("retry 0"),
    ] {
        let loaded = parse(&text);
        assert_eq!(loaded.verdict(), Verdict::WouldRun, "{text}");
        assert_eq!(loaded.count(vrrp_config::Severity::Error), 1, "{}", loaded.render(false));
    }
}

/// Keyword section 1.12: what goes together is no error.
#[test]
fn what_goes_together() {
    let both = "virtual_server_group G {\n10.0.0.1 80\nfwmark 3\n}\n";
    let file = "track_file F {\nfile /run/x\n}\n";
    for text in [
        usual(""),
        service("10.0.0.1", &format!("persistence_timeout 5\n{REAL}")),
        bare("fwmark 1", "lb_algo rr\nlb_kind NAT"),
        format!("{both}{}", service("group G", REAL)),
        service("10.0.0.1 80", "lb_kind TUN\nreal_server 2001:db8::2 80 {\n}"),
        usual("lb_algo sh\nsh-port\nhashed"),
        usual("lb_algo mh\nsh-port\nhashed"),
        usual("protocol UDP\nops"),
        usual("sorry_server 10.0.0.3 80\nsorry_server_inhibit"),
        usual("weight 5\nquorum 3\nhysteresis 2"),
        check("TCP_CHECK", "connect_ip 2001:db8::9\nbindto 2001:db8::1\nretry 0"),
        check("SMTP_CHECK", "bindto 2001:db8::1"),
        check("HTTP_GET", "url {\npath /\n}"),
        service("10.0.0.1 80", "lb_kind DR\nreal_server 10.0.0.3 {\n}"),
        format!("{file}{}", check("FILE_CHECK", "track_file F")),
    ] {
        let loaded = parse(&text);
        assert_eq!(loaded.verdict(), Verdict::Clean, "{}", loaded.render(false));
    }
}

/// Keyword `virtual_server`: one of a group that is not there is dropped by keepalived without a word,
/// whatever else is wrong with it.
#[test]
fn missing_group() {
    for lines in [REAL.to_owned(), format!("quorum 9\n{REAL}")] {
        let loaded = parse(&service("group NONE", &lines));
        assert_eq!(loaded.verdict(), Verdict::Clean, "{}", loaded.render(false));
        let said = loaded.diagnostics.iter().find(|found| found.code == "W0215").unwrap();
        assert_eq!(loaded.sources.excerpt(said.span), "NONE");
    }
}

/// Keyword section 1.12 and `include`: what stands above may stand in a file that is read above, and of
/// several definitions with one name the first counts.
#[test]
fn order_of_definitions() {
    let session = "bfd_instance B {\nneighbor_ip 10.0.0.9\n}\n";
    let check = check("BFD_CHECK", "name B");
    let cases: [(String, &str, &[&str]); 5] = [
        (format!("include x.conf\n{check}"), session, &[]),
        (format!("{session}include x.conf\n"), &check, &[]),
        (format!("{session}{check}include x.conf\n"), session, &["E0052"]),
        (format!("{check}include x.conf\n"), session, &["E0070"]),
        (format!("include x.conf\n{session}"), &check, &["E0070"]),
    ];
    for (text, included, expected) in cases {
        let loaded = read(&text, &[("/etc/x.conf", included)]);
        let errors: Vec<_> = loaded.diagnostics.iter().map(|found| found.code).collect();
        let errors: Vec<_> = errors.into_iter().filter(|code| code.starts_with('E')).collect();
        assert_eq!(errors, expected, "{}", loaded.render(false));
    }
}
