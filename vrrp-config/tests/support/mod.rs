//! Short cuts for the tests of the configuration.
#![allow(dead_code, unreachable_pub, reason = "each test file uses some of them")]
#![allow(clippy::unwrap_used, reason = "a test may panic, and so may its helpers")]

pub mod language;

use vrrp_config::{self as config, Config, Instance, Loaded};

/// A complete instance with more lines in it.
pub fn instance(lines: &str) -> String {
    named("VI_1", 51, lines)
}

/// The same with a name and a number.
pub fn named(name: &str, vrid: u8, lines: &str) -> String {
    format!(
        "vrrp_instance {name} {{\ninterface eth0\nvirtual_router_id {vrid}\n{lines}\nvirtual_ipaddress {{\n10.0.0.{vrid}\n}}\n}}\n"
    )
}

/// Lines of global_defs and an instance.
pub fn global(lines: &str) -> String {
    format!("global_defs {{\n{lines}\n}}\n{}", instance(""))
}

pub fn parse(text: &str) -> Loaded {
    config::parse("test.conf", text.as_bytes())
}

/// Codes of all diagnostics, in the order of the file.
pub fn all_codes(loaded: &Loaded) -> Vec<&'static str> {
    loaded.diagnostics.iter().map(|diagnostic| diagnostic.code).collect()
}

/// The same without those of `cross.rs`, which are about files that keepalived runs as they are.
pub fn codes(loaded: &Loaded) -> Vec<&'static str> {
    all_codes(loaded).into_iter().filter(|code| !code[1..].starts_with("017")).collect()
}

/// The configuration of a file about which there is nothing to say.
pub fn clean(text: &str) -> Config {
    let loaded = parse(text);
    assert_eq!(codes(&loaded), [""; 0], "{}", loaded.render(false));
    loaded.config.unwrap()
}

/// The only instance of a file about which there is nothing to say.
pub fn one(text: &str) -> Instance {
    let mut config = clean(text);
    assert_eq!(config.instances.len(), 1);
    config.instances.remove(0)
}

/// The only instance of a file that keepalived reports and repairs, and the codes.
pub fn repaired(text: &str) -> (Vec<&'static str>, Instance) {
    let loaded = parse(text);
    assert_eq!(loaded.verdict().exit_code(), 5, "{}", loaded.render(false));
    let codes = codes(&loaded);
    let mut config = loaded.config.unwrap();
    assert_eq!(config.instances.len(), 1);
    (codes, config.instances.remove(0))
}

/// Codes of everything but hints and what is recognised only.
pub fn reported(loaded: &Loaded) -> Vec<&'static str> {
    codes(loaded).into_iter().filter(|code| !code.starts_with(['H', 'N'])).collect()
}

/// The configuration of a file that keepalived says nothing about.
pub fn accepted(text: &str) -> Config {
    let loaded = parse(text);
    assert_eq!(reported(&loaded), [""; 0], "{}", loaded.render(false));
    loaded.config.unwrap()
}

/// The configuration of a file that keepalived reports and runs, and the codes.
pub fn mended(text: &str) -> (Vec<&'static str>, Config) {
    let loaded = parse(text);
    assert_eq!(loaded.verdict().exit_code(), 5, "{}", loaded.render(false));
    (reported(&loaded), loaded.config.unwrap())
}

/// What a file says besides that something is not implemented yet.
pub fn remarks(loaded: &Loaded) -> Vec<&'static str> {
    codes(loaded).into_iter().filter(|code| *code != "N0028").collect()
}

/// Compares exit codes with keepalived's for the lines of a list, as a file below `oracle` has them:
/// keepalived's exit code, `=` or ours, the line, and behind `;;` why ours is another one.
pub fn compare_with_keepalived(list: &str, oracle: &str) {
    let mut wrong = String::new();
    let mut count = 0;
    for case in oracle.lines().filter(|case| !case.starts_with('#')) {
        let (line, reason) = case.split_once(";;").unwrap_or((case, ""));
        let [keepalived, ours, line] = line.splitn(3, ' ').collect::<Vec<_>>()[..] else {
            panic!("{case}");
        };
        assert_eq!(ours == "=", reason.is_empty(), "{case}");
        let expected = if ours == "=" { keepalived } else { ours };
        let loaded = parse(&format!("{list} {{\n{line}\n}}\n"));
        if loaded.verdict().exit_code().to_string() != expected {
            wrong += &format!("keepalived {keepalived}: {line}\n{}", loaded.render(false));
        }
        count += 1;
    }
    assert!(count > 30, "{list}");
    assert!(wrong.is_empty(), "{list}:\n{wrong}");
}
