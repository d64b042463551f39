//! `xvrrp check`: exit codes, last lines, JSON.
#![allow(clippy::unwrap_used, reason = "a test may panic, and so may its helpers")]

use std::{
    env, fs,
    io::{self, ErrorKind, Write},
    path::PathBuf,
    process,
};

use xvrrp::check::{self, Options};

/// Files in a directory of their own, removed at the end.
struct Dir(PathBuf);

impl Dir {
    fn new(test: &str) -> Self {
        let path = env::temp_dir().join(format!("xvrrp-{test}-{}", process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, text).unwrap();
        path
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

const CLEAN: &str = "vrrp_instance VI_1 {
  interface eth0
  virtual_router_id 51
  virtual_ipaddress {
    10.0.0.1
  }
}
";

/// Exit code and output, without a look at this host.
fn run(files: &[PathBuf], json: bool) -> (u8, String) {
    run_with(files, Options { json, ..Options::default() })
}

/// Files and the config id with which they are read.
fn as_node(id: &str, files: &[PathBuf]) -> Vec<(PathBuf, String)> {
    files.iter().map(|file| (file.clone(), id.to_owned())).collect()
}

fn run_with(files: &[PathBuf], options: Options) -> (u8, String) {
    let mut out = Vec::new();
    let code = check::run(&as_node("node1", files), options, &mut out).unwrap();
    (code, String::from_utf8(out).unwrap())
}

/// Issue 2: 0 clean, 5 errors, 4 unreadable or fatal; of several files the worst counts.
#[test]
fn exit_codes() {
    let dir = Dir::new("exit-codes");
    let clean = dir.file("clean.conf", CLEAN);
    let errors = dir.file("errors.conf", &CLEAN.replace("interface", "nonsense 1\n  interface"));
    let fatal = dir.file("fatal.conf", &CLEAN.replace("interface eth0", "interface"));
    let missing = dir.0.join("missing.conf");
    assert_eq!(
        run(std::slice::from_ref(&clean), false),
        (0, format!("{}: clean\n", clean.display()))
    );
    let (code, text) = run(std::slice::from_ref(&errors), false);
    assert_eq!(code, 5);
    assert!(text.ends_with("errors.conf: 1 error, would run\n"), "{text}");
    assert_eq!(run(std::slice::from_ref(&fatal), false).0, 4);
    let (code, text) = run(std::slice::from_ref(&missing), false);
    assert_eq!(code, 4);
    assert!(text.ends_with("missing.conf: 1 error, cannot run\n"), "{text}");
    assert_eq!(run(&[clean.clone(), errors.clone()], false).0, 5);
    assert_eq!(run(&[fatal, errors, clean], false).0, 4);
}

/// Issue 2: what is not implemented yet is said, and leaves a file clean.
#[test]
fn not_yet_is_clean() {
    let dir = Dir::new("not-yet");
    let file = dir.file("a.conf", &format!("global_defs {{\n  enable_dbus\n}}\n{CLEAN}"));
    let (code, text) = run(&[file], false);
    assert_eq!(code, 0);
    assert!(text.contains("not yet[N0028]: `enable_dbus` is not implemented yet"), "{text}");
    assert!(text.ends_with("a.conf: 1 not yet implemented, clean\n"), "{text}");
}

/// Issue 2: exit 6 when a program of this host would run as root and nobody said so.
#[test]
fn script_security() {
    let dir = Dir::new("script-security");
    let on_host = |file| run_with(&[file], Options { host: true, ..Options::default() }).0;
    let script = CLEAN.replace("interface eth0", "interface eth0\n  notify_master /bin/sh");
    let guarded = format!("global_defs {{\n  script_user nobody\n}}\n{script}");
    assert_eq!(on_host(dir.file("guarded.conf", &guarded)), 0);
    let absent = script.replace("/bin/sh", "/nonexistent/program");
    assert_eq!(on_host(dir.file("absent.conf", &absent)), 0);
    let has_user = fs::read_to_string("/etc/passwd").unwrap().contains("\nkeepalived_script:");
    let expected = if has_user { 0 } else { 6 };
    assert_eq!(on_host(dir.file("script.conf", &script)), expected);
    assert_eq!(run(&[dir.file("script.conf", &script)], false).0, 0);
}

/// Issue 5: what this host lacks is a hint, and changes nothing about the exit code.
#[test]
fn this_host() {
    let dir = Dir::new("this-host");
    let text = CLEAN.replace("eth0", "no-such-device");
    let file = dir.file("a.conf", &text);
    let (code, text) =
        run_with(std::slice::from_ref(&file), Options { host: true, ..Options::default() });
    assert_eq!(code, 0);
    assert!(text.contains("hint[H0197]: this host has no interface `no-such-device`"), "{text}");
    assert!(text.ends_with("a.conf: 1 hint, clean\n"), "{text}");
    assert_eq!(run(&[file], false).1.lines().count(), 1);
}

/// Issue 5: `--together` exits with 5 where each file alone is clean, and names both files.
#[test]
fn together() {
    let dir = Dir::new("together");
    let node = |name: &str, lines: &str| {
        dir.file(name, &CLEAN.replace("interface eth0", &format!("interface eth0\n  {lines}")))
    };
    let (a, b) = (node("a.conf", "priority 150"), node("b.conf", "advert_int 3"));
    let files = [a.clone(), b];
    assert_eq!(run(&files, false).0, 0);
    let options = Options { together: true, ..Options::default() };
    let (code, text) = run_with(&files, options);
    assert_eq!(code, 5);
    assert!(text.contains("E0182") && text.contains("a.conf") && text.contains("b.conf"), "{text}");
    assert!(text.ends_with("together: 1 error, would not work together\n"), "{text}");
    let (code, json) = run_with(&files, Options { json: true, ..options });
    assert_eq!(code, 5);
    let entries: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(entries[0]["verdict"], "would run");
    assert_eq!(entries[0]["related"][0]["file"], a.to_str().unwrap());
    let fine = [a, node("c.conf", "priority 100")];
    let (code, text) = run_with(&fine, options);
    assert_eq!(code, 0);
    assert!(text.ends_with("c.conf: clean\ntogether: clean\n"), "{text}");
}

/// Issue 5: colours where they are asked for, and only there.
#[test]
fn colors() {
    let dir = Dir::new("colors");
    let file = dir.file("a.conf", "nonsense\n");
    let options = Options { color: true, ..Options::default() };
    assert!(run_with(std::slice::from_ref(&file), options).1.contains("\u{1b}["));
    assert!(!run(&[file], false).1.contains('\u{1b}'));
}

/// Issue 2: JSON carries the place of each diagnostic, columns in characters.
#[test]
fn json() {
    let dir = Dir::new("json");
    let file = dir
        .file("a.conf", &CLEAN.replace("interface eth0", "interface eth0\n  notify_mster \"é\""));
    let (code, text) = run(std::slice::from_ref(&file), true);
    assert_eq!(code, 5);
    let entries: serde_json::Value = serde_json::from_str(&text).unwrap();
    let expected = serde_json::json!([{
        "file": file.to_str().unwrap(),
        "line": 3, "column": 3, "end_line": 3, "end_column": 15,
        "severity": "error",
        "code": "E0020",
        "message": "unknown keyword `notify_mster` in vrrp_instance",
        "help": "did you mean `notify_master`?",
        "related": [],
        "verdict": "would run",
    }]);
    assert_eq!(entries, expected);
    assert_eq!(run(&[], true), (0, "[]\n".to_owned()));
}

/// Keyword table 1.10, `@id` and variables: files are read as one node, together with those that they
/// include, and JSON has the place where a value was written, too.
#[test]
fn nodes_and_origins() {
    let dir = Dir::new("nodes");
    dir.file("priority.conf", "@node1 $P=300\n@node2 $P=200\n");
    let text = CLEAN.replace("interface eth0", "interface eth0\n  priority $P");
    let file = dir.file("a.conf", &format!("include priority.conf\n{text}"));
    let files = std::slice::from_ref(&file);
    let mut out = Vec::new();
    assert_eq!(check::run(&as_node("node2", files), Options::default(), &mut out).unwrap(), 0);
    let (code, text) = run(files, true);
    assert_eq!(code, 5);
    let entries: serde_json::Value = serde_json::from_str(&text).unwrap();
    let included = dir.0.join("priority.conf");
    assert_eq!(entries[0]["line"], 4);
    let origin = &entries[0]["origin"];
    assert_eq!(origin["file"], included.to_str().unwrap());
    assert_eq!((&origin["line"], &origin["column"]), (&1.into(), &11.into()));
}

/// Keyword table 1.10, `@id`: each file of a cluster is read as the node that it is for.
#[test]
fn a_config_id_for_each_file() {
    let dir = Dir::new("ids");
    let lines =
        "interface eth0\n  @node1 priority 150\n  @node2 priority 100\n  @node2 advert_int 3";
    let file = dir.file("a.conf", &CLEAN.replace("interface eth0", lines));
    let options = Options { together: true, ..Options::default() };
    let check = |ids: [&str; 2]| {
        let files = ids.map(|id| (file.clone(), id.to_owned()));
        let mut out = Vec::new();
        let code = check::run(&files, options, &mut out).unwrap();
        (code, String::from_utf8(out).unwrap())
    };
    let (code, text) = check(["node1", "node2"]);
    assert_eq!(code, 5);
    assert!(text.contains("E0182"), "{text}");
    assert_eq!(check(["node1", "node1"]).0, 0);
}

/// Who reads no further, as `head` does: no error, and the exit code is that of the file.
#[test]
fn a_broken_pipe() {
    struct Broken;
    impl Write for Broken {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Err(ErrorKind::BrokenPipe.into())
        }
    }
    let dir = Dir::new("pipe");
    let files = as_node("node1", &[dir.file("a.conf", "nonsense\n")]);
    for json in [false, true] {
        let options = Options { json, ..Options::default() };
        assert_eq!(check::run(&files, options, &mut Broken).unwrap(), 5);
    }
}
