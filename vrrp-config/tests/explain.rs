//! `xvrrp explain` and docs/keywords.md.
#![allow(clippy::unwrap_used, reason = "a test may panic, and so may its helpers")]

use std::{collections::HashSet, env, fs, path::PathBuf};

use vrrp_config::explain;

/// Issue 5: a keyword has its usage, range, default, support and place; a block its contents.
#[test]
fn keywords() {
    assert_eq!(
        explain::explain("garp_master_delay").unwrap(),
        "garp_master_delay SECONDS
    seconds until the second burst of gratuitous ARP, 0: none

    where         vrrp_instance
    SECONDS       a number, 0-4294
    default       as vrrp_garp_master_delay
    support       yes
"
    );
    let script = explain::explain("vrrp_script").unwrap();
    assert!(script.starts_with("vrrp_script NAME { ... }\n"), "{script}");
    assert!(script.contains("block         script interval timeout weight"), "{script}");
    let spread = explain::explain("lb_algo").unwrap();
    assert!(spread.starts_with("lvs_sched SCHEDULER\n"), "{spread}");
    let ours = explain::explain("xdp_orphan").unwrap();
    assert!(ours.contains("close, serve-until-peer") && ours.contains("xvrrp only"), "{ours}");
    let route = explain::explain("quickack").unwrap();
    assert!(route.contains("an entry of static_routes, virtual_routes"), "{route}");
}

/// Issue 5: a keyword of several blocks is explained for each, an old spelling leads to the new one.
#[test]
fn homes_and_old_spellings() {
    let weight = explain::explain("weight").unwrap();
    assert!(weight.matches("weight WEIGHT").count() >= 5, "{weight}");
    for home in ["vrrp_script", "real_server", "FILE_CHECK", "bfd_instance", "track_interface"] {
        assert!(weight.contains(home), "{home}: {weight}");
    }
    let old = explain::explain("vrrp_rlimit_rtime").unwrap();
    assert!(old.contains("write `vrrp_rlimit_rttime`"), "{old}");
}

/// Issue 5: codes are expanded, in capitals or not; what is neither is refused with what was meant.
#[test]
fn codes_and_unknown_words() {
    let text = explain::explain("e0031").unwrap();
    assert!(text.starts_with("E0031: error\n    A number or a time is outside"), "{text}");
    assert!(text.contains("virtual_router_id 256") && text.contains("exit status 5"), "{text}");
    let unknown = explain::explain("advert_in").unwrap_err();
    assert_eq!(unknown.meant, Some("advert_int"));
    assert_eq!(
        unknown.to_string(),
        "`advert_in` is neither a keyword nor a code: did you mean `advert_int`?"
    );
    assert_eq!(explain::explain("nonsense").unwrap_err().meant, None);
}

/// Issue 5: without a word all keywords are listed, by block.
#[test]
fn list() {
    let list = explain::list();
    assert!(list.starts_with("Outside all blocks:\n  global_defs "), "{list}");
    assert!(list.contains("\n  garp_master_delay                    seconds until"), "{list}");
    assert!(list.lines().count() > 400);
}

/// Issue 5: no code lacks an explanation, none has two, and cause and cure differ.
#[test]
fn every_code_is_explained() {
    let source: PathBuf = [env!("CARGO_MANIFEST_DIR"), "src/code.rs"].iter().collect();
    let source = fs::read_to_string(source).unwrap();
    let is_code = |word: &&str| {
        word.len() == 5 && word.is_ascii() && word[1..].bytes().all(|byte| byte.is_ascii_digit())
    };
    let codes: Vec<&str> = source.split('"').filter(is_code).collect();
    assert!(codes.len() > 70);
    let mut seen = HashSet::new();
    for code in codes {
        assert!(seen.insert(code), "{code} is given twice");
        let text = explain::explain(code).unwrap_or_else(|_| panic!("{code} has no explanation"));
        let (_, cause) = text.split_once("cause:\n").unwrap();
        let (cause, cure) = cause.split_once("    cure:\n").unwrap();
        assert!(!cure.starts_with(&format!("{cause}    keepalived")), "{code}");
    }
}

/// Issue 5: docs/keywords.md is made from the table. `UPDATE_EXPECTED=1 cargo test -p vrrp-config
/// --test explain` writes it anew.
#[test]
fn page_is_up_to_date() {
    let page: PathBuf = [env!("CARGO_MANIFEST_DIR"), "../docs/keywords.md"].iter().collect();
    if env::var_os("UPDATE_EXPECTED").is_some() {
        fs::write(&page, explain::markdown()).unwrap();
    }
    assert!(
        fs::read_to_string(&page).unwrap_or_default() == explain::markdown(),
        "docs/keywords.md is not what the table says: run with UPDATE_EXPECTED=1"
    );
}
