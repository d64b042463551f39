//! `auth_type AH` and `auth_hmac`. What is asserted of AH is what keepalived 2.2.7 reports
//! (`keepalived -t`); `auth_hmac` is of keepalived 2.4.
#![allow(clippy::unwrap_used, reason = "a test may panic, and so may its helpers")]

mod support;

use std::{env, fs, os::unix::fs::PermissionsExt, path::PathBuf, process, time::Duration};

use support::{codes, instance, one, parse, repaired};
use vrrp_config::{
    AntiReplay, AuthHmac, Authentication, HmacMode, InitialState, Memory, Surroundings, Verdict,
    parse_in,
};

const HEX: &str = "key 1 hex:000102030405060708090a0b0c0d0e0f101112131415161718191A1B1C1D1E1F";
const TEXT: &str = "key 2 0123456789abcdef0123456789abcdef";

fn ah(lines: &str) -> String {
    instance(&format!("authentication {{\nauth_type AH\nauth_pass secret\n}}\n{lines}"))
}

/// The `auth_hmac` block of these lines.
fn hmac_block(lines: &str) -> String {
    format!("auth_hmac {{\n{lines}\n}}")
}

fn hmac(lines: &str) -> AuthHmac {
    match one(&instance(&hmac_block(lines))).authentication {
        Some(Authentication::Hmac(hmac)) => hmac,
        other => panic!("{other:?}"),
    }
}

/// Asserts that the instance is left out, with this code.
fn left_out(text: &str, code: &str) {
    let loaded = parse(text);
    assert_eq!(codes(&loaded), [code], "{text}");
    assert_eq!(loaded.verdict(), Verdict::WouldRun, "{text}");
    assert!(loaded.config.unwrap().instances.is_empty(), "{text}");
}

/// Keyword `auth_type AH`: for version 2 and IPv4 only, and not together with a start as
/// master.
#[test]
fn authentication_header() {
    let key = Some(Authentication::Ah(*b"secret\0\0"));
    assert_eq!(one(&ah("")).authentication, key);
    assert_eq!(one(&ah("priority 255")).state, InitialState::Master);
    for lines in ["version 3", "strict_mode"] {
        let (codes, instance) = repaired(&ah(lines));
        assert_eq!((codes, instance.authentication), (vec!["E0054"], None), "{lines}");
    }
    let (codes, instance) = repaired(&ah("").replace("auth_pass secret\n", ""));
    assert_eq!((codes, instance.authentication), (vec!["E0054"], None));
    let (codes, instance) = repaired(&ah("state MASTER\npriority 100\nnopreempt"));
    assert_eq!((codes, instance.authentication), (vec!["E0066"], key));
    assert_eq!((instance.state, instance.preempt), (InitialState::Backup, false));
}

/// Keyword `auth_hmac`: keys as digits and as text, and the defaults.
#[test]
fn keys() {
    let one_key = hmac(&format!("{HEX}\nactive_key 1"));
    assert_eq!(one_key.keys[&1], (0..32).collect::<Vec<u8>>());
    assert_eq!((one_key.active, one_key.anti_replay), (1, AntiReplay::Time));
    assert_eq!((one_key.mode, one_key.window), (HmacMode::Enforce, Duration::from_secs(5)));
    let two_keys = hmac(&format!("{HEX}\n{TEXT}\nactive_key 2"));
    assert_eq!((two_keys.keys.len(), two_keys.active), (2, 2));
    assert_eq!(two_keys.keys[&2], b"0123456789abcdef0123456789abcdef");
    let longest = "x".repeat(64);
    assert_eq!(hmac(&format!("key 255 \"{longest}\"\nactive_key 255")).keys[&255].len(), 64);
    let twice = format!("{HEX}\nkey 1 {longest}\nactive_key 1");
    let loaded = parse(&instance(&hmac_block(&twice)));
    assert_eq!((codes(&loaded), loaded.verdict()), (vec!["W0026"], Verdict::Clean));
    for version in ["version 2", "version 3"] {
        let text = instance(&format!("{version}\n{}", hmac_block(&format!("{HEX}\nactive_key 1"))));
        assert!(matches!(one(&text).authentication, Some(Authentication::Hmac(_))));
    }
}

/// Keyword `auth_hmac`: `anti_replay`, `time_window`, `mode`. Without a window it is three intervals,
/// 5 s at least.
#[test]
fn modes() {
    let full = |lines: &str| hmac(&format!("{HEX}\nactive_key 1\n{lines}"));
    assert_eq!(full("anti_replay monotonic").anti_replay, AntiReplay::Monotonic);
    assert_eq!(full("anti_replay time").anti_replay, AntiReplay::Time);
    for seconds in [1, 300] {
        assert_eq!(full(&format!("time_window {seconds}")).window, Duration::from_secs(seconds));
    }
    let slow = format!("advert_int 4\n{}", hmac_block(&format!("{HEX}\nactive_key 1")));
    let Some(Authentication::Hmac(slow)) = one(&instance(&slow)).authentication else {
        panic!("auth_hmac is lost")
    };
    assert_eq!(slow.window, Duration::from_secs(12));
    for (word, mode) in [
        ("enforce", HmacMode::Enforce),
        ("permissive", HmacMode::Permissive),
        ("receive-only", HmacMode::ReceiveOnly),
    ] {
        assert_eq!(full(&format!("mode {word}")).mode, mode);
    }
    assert_eq!(hmac(&format!("{TEXT}\nmode receive-only")).active, 2);
    let permissive = hmac_block(&format!("{HEX}\nactive_key 1\nmode permissive"));
    let (codes, strict) = repaired(&instance(&format!("strict_mode\n{permissive}")));
    assert_eq!(codes, ["E0058"]);
    let Some(Authentication::Hmac(strict)) = strict.authentication else {
        panic!("auth_hmac is lost")
    };
    assert_eq!(strict.mode, HmacMode::Enforce);
}

/// Keyword `auth_hmac`: a virtual router does not run without the authentication that was meant.
#[test]
fn mistakes_in_auth_hmac() {
    for (lines, code) in [
        ("", "E0067"),
        ("active_key 1", "E0067"),
        (HEX, "E0067"),
        (&format!("{HEX}\nactive_key 2"), "E0067"),
        ("key 1 short\nactive_key 1", "E0067"),
        (&format!("key 1 {}\nactive_key 1", "x".repeat(65)), "E0067"),
        (&format!("key 1 hex:{}\nactive_key 1", "0".repeat(65)), "E0067"),
        (&format!("key 1 hex:{}\nactive_key 1", "0g".repeat(32)), "E0067"),
        ("key 1 file:/nonexistent/key\nactive_key 1", "E0067"),
        ("key 1 file:/dev/zero\nactive_key 1", "E0067"),
        (&format!("{}\nactive_key 1", HEX.replace("key 1", "key 0")), "E0031"),
        (&format!("{HEX}\n{}\nactive_key 1", TEXT.replace("key 2", "key 256")), "E0031"),
        (&format!("{HEX}\nactive_key one"), "E0030"),
        (&format!("{HEX}\nactive_key 1\nmode strict"), "E0032"),
        (&format!("{HEX}\nactive_key 1\nanti_replay off"), "E0032"),
        (&format!("{HEX}\nactive_key 1\ntime_window 301"), "E0031"),
        (&format!("{HEX}\nactive_key 1\ntime_window 0"), "E0031"),
    ] {
        left_out(&instance(&hmac_block(lines)), code);
    }
    // keepalived does not start with a line that is cut off.
    let loaded = parse(&instance(&hmac_block("key 1")));
    assert_eq!((loaded.verdict(), loaded.config.is_some()), (Verdict::CannotRun, false));
}

/// Keyword `auth_hmac`: it takes the place of `authentication`.
#[test]
fn both_kinds() {
    let hmac = hmac_block(&format!("{HEX}\nactive_key 1"));
    for kind in ["PASS", "AH"] {
        let text = ah(&hmac).replace("AH", kind);
        let (codes, instance) = repaired(&text);
        assert_eq!(codes, ["E0054"], "{kind}");
        assert!(matches!(instance.authentication, Some(Authentication::Hmac(_))));
    }
}

/// A file with a key, removed at the end.
struct KeyFile(PathBuf);

impl KeyFile {
    fn new(name: &str, text: &[u8], mode: u32) -> Self {
        let path = env::temp_dir().join(format!("xvrrp-key-{name}-{}", process::id()));
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        Self(path)
    }

    fn block(&self) -> String {
        hmac_block(&format!("key 1 file:{}\nactive_key 1", self.0.display()))
    }
}

impl Drop for KeyFile {
    fn drop(&mut self) {
        fs::remove_file(&self.0).unwrap();
    }
}

/// Keyword `auth_hmac`: a key in a file, as digits or as text; that others may read it is said.
#[test]
fn key_files() {
    let digits = format!("hex:{}\n", "a5".repeat(32));
    let key = |text: &str| match one(text).authentication {
        Some(Authentication::Hmac(hmac)) => hmac.keys[&1].clone(),
        other => panic!("{other:?}"),
    };
    let file = KeyFile::new("digits", digits.as_bytes(), 0o600);
    assert_eq!(key(&instance(&file.block())), [0xa5; 32]);
    let file = KeyFile::new("text", &[b'k'; 40], 0o400);
    assert_eq!(key(&instance(&file.block())), [b'k'; 40]);
    let file = KeyFile::new("open", digits.as_bytes(), 0o644);
    let loaded = parse(&instance(&file.block()));
    assert_eq!((codes(&loaded), loaded.verdict()), (vec!["W0069"], Verdict::Clean));
    assert_eq!(loaded.config.unwrap().instances.len(), 1);
    let file = KeyFile::new("empty", b"", 0o600);
    left_out(&instance(&file.block()), "E0067");
}

/// Keyword `auth_pass` in a variable: the octets are those of the file that defines it, whatever the file
/// that uses it is written in.
#[test]
fn octets_of_definitions() {
    let used = instance("authentication {\nauth_type PASS\nauth_pass $PW\n}");
    let eight_bit = b"$PW=caf\xe9\n# \xfc\n".to_vec();
    let utf8 = "$PW=café\n".as_bytes().to_vec();
    let octets = |main: &str, comment: &[u8], definition: &[u8]| {
        let main = [main.as_bytes(), comment].concat();
        let mut host = Memory::default();
        host.files.insert("/etc/main.conf".into(), main.clone());
        host.files.insert("/etc/pw.conf".into(), definition.to_vec());
        let loaded = parse_in("/etc/main.conf", &main, Surroundings { id: "", host: &host });
        match &loaded.config.as_ref().unwrap().instances[0].authentication {
            Some(Authentication::Pass(octets)) => *octets,
            other => panic!("{other:?}: {}", loaded.render(false)),
        }
    };
    let main = format!("include pw.conf\n{used}");
    assert_eq!(octets(&main, b"", &eight_bit), *b"caf\xe9\0\0\0\0");
    assert_eq!(octets(&main, b"# \xe9\n", &utf8), *b"caf\xc3\xa9\0\0\0");
}
