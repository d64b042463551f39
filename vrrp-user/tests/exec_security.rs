//! Which programs are refused, and whose rights the others have. As root.

#![expect(clippy::unwrap_used, reason = "test helpers are not #[test] functions")]

use std::{
    fs,
    os::unix::fs::{PermissionsExt, chown, symlink},
    path::{Path, PathBuf},
};

use xvrrp::{
    config::{self, Account, Command, Place, ScriptRules, User},
    exec::{self, Exposure, Found, Program, Refusal, Writable},
};

const NOBODY: u32 = 65534;

/// A directory below `/`, which is root's alone all the way.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = Path::new("/var/lib").join(format!("xvrrp-{name}-{}", std::process::id()));
        fs::create_dir(&path).unwrap();
        Self(path).with("", 0o755)
    }

    fn path(&self, name: &str) -> PathBuf {
        if name.is_empty() { self.0.clone() } else { self.0.join(name) }
    }

    fn with(self, name: &str, mode: u32) -> Self {
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(mode)).unwrap();
        self
    }

    fn file(self, name: &str, mode: u32) -> Self {
        fs::write(self.path(name), "#!/bin/sh\n").unwrap();
        self.with(name, mode)
    }

    fn directory(self, name: &str, mode: u32) -> Self {
        fs::create_dir(self.path(name)).unwrap();
        self.with(name, mode)
    }

    fn link(self, name: &str, to: &str) -> Self {
        symlink(self.path(to), self.path(name)).unwrap();
        self
    }

    /// What becomes of `name` if root runs it with script security.
    fn find(&self, name: &str) -> Result<PathBuf, Refusal> {
        let program = find(self.path(name).to_str().unwrap(), "root", &secure())?;
        Ok(program.path().to_owned())
    }

    /// `name` cannot be run because of `part`.
    fn is_exposed(&self, name: &str, part: &str, why: Writable) {
        let exposure = Exposure { program: self.path(name), part: self.path(part), why };
        assert_eq!(self.find(name), Err(Refusal::Insecure(exposure)));
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

fn secure() -> ScriptRules {
    ScriptRules { security: true, ..ScriptRules::default() }
}

fn user(name: &str) -> User {
    User { user: Account::Name(name.to_owned()), group: None }
}

fn command(program: &str, user: Option<User>) -> Command {
    Command { argv: vec![program.to_owned()], user, span: Place::default() }
}

fn find(program: &str, owner: &str, rules: &ScriptRules) -> Result<Program, Refusal> {
    Program::new(&command(program, Some(user(owner))), rules)
}

/// keyword `enable_script_security`: what root runs has to be root's alone, with every directory on the
/// way; others may write only to directories with the sticky bit. Without it the same is said, and run.
#[test]
fn parts_of_the_path() {
    let scratch = Scratch::new("parts")
        .file("good", 0o755)
        .file("open", 0o757)
        .file("grouped", 0o775)
        .directory("public", 0o777)
        .file("public/file", 0o755)
        .directory("sticky", 0o1777)
        .file("sticky/file", 0o755)
        .file("sticky/theirs", 0o755);
    chown(scratch.path("grouped"), None, Some(NOBODY)).unwrap();
    chown(scratch.path("sticky/theirs"), Some(NOBODY), None).unwrap();
    assert_eq!(scratch.find("good"), Ok(scratch.path("good")));
    assert_eq!(scratch.find("sticky/file"), Ok(scratch.path("sticky/file")));
    scratch.is_exposed("open", "open", Writable::All);
    scratch.is_exposed("grouped", "grouped", Writable::Group(NOBODY));
    scratch.is_exposed("public/file", "public", Writable::All);
    scratch.is_exposed("sticky/theirs", "sticky/theirs", Writable::Owner(NOBODY));
    let scratch = scratch.with("grouped", 0o755);
    chown(scratch.path("sticky"), Some(NOBODY), None).unwrap();
    assert_eq!(scratch.find("grouped"), Ok(scratch.path("grouped")));
    scratch.is_exposed("sticky/file", "sticky", Writable::Owner(NOBODY));

    let open = scratch.path("open");
    let by_root = command(open.to_str().unwrap(), Some(user("root")));
    let (_, exposure) = Program::find(&by_root, &ScriptRules::default()).unwrap();
    let expected = format!("`{0}` runs as root, but everybody may write to `{0}`", open.display());
    assert_eq!(exposure.unwrap().to_string(), expected);
    // Whoever is not root has no more rights than who could change it.
    assert!(find(open.to_str().unwrap(), "nobody", &secure()).is_ok());
}

/// The same for programs that become root by themselves.
#[test]
fn set_user_id() {
    let scratch = Scratch::new("suid").file("suid", 0o4757).file("sgid", 0o2757);
    for name in ["suid", "sgid"] {
        let found = find(scratch.path(name).to_str().unwrap(), "nobody", &secure());
        assert!(matches!(found, Err(Refusal::Insecure(_))), "{found:?}");
    }
}

/// keyword `use_symlink_paths`: without it links are resolved once, so that who may change them changes
/// nothing; with it they are followed each time, and have to be root's. A program keeps the name of its
/// link where it is in the same directory.
#[test]
fn symbolic_links() {
    let scratch = Scratch::new("links")
        .file("good", 0o755)
        .link("alias", "good")
        .directory("public", 0o777)
        .link("public/link", "good")
        .link("chain", "public/link");
    assert_eq!(scratch.find("alias"), Ok(scratch.path("alias")));
    assert_eq!(scratch.find("public/link"), Ok(scratch.path("good")));
    // Which file that is would be others' to say.
    scratch.is_exposed("chain", "public", Writable::All);

    let kept = ScriptRules { keep_symlinks: true, ..secure() };
    let keep = |name: &str| find(scratch.path(name).to_str().unwrap(), "root", &kept);
    assert_eq!(keep("alias").unwrap().path(), scratch.path("alias"));
    for name in ["public/link", "chain"] {
        let exposure = Exposure {
            program: scratch.path(name),
            part: scratch.path("public"),
            why: Writable::All,
        };
        assert_eq!(keep(name), Err(Refusal::Insecure(exposure)));
    }
}

/// Files that are not there, are none, or may not be run by that user are refused with the reason.
#[test]
fn not_programs() {
    let scratch =
        Scratch::new("files").file("text", 0o644).file("roots", 0o700).link("loop", "loop");
    let path = |name: &str| scratch.path(name);
    assert_eq!(scratch.find("absent"), Err(Refusal::Missing(path("absent"))));
    assert_eq!(scratch.find("text/below"), Err(Refusal::Missing(path("text/below"))));
    assert_eq!(scratch.find(""), Err(Refusal::NoFile(path(""))));
    assert!(matches!(scratch.find("loop"), Err(Refusal::Inaccessible { .. })));
    let refused = |name: &str, uid| Err(Refusal::NotExecutable { path: path(name), uid, gid: uid });
    assert_eq!(scratch.find("text"), refused("text", 0));
    let by_nobody = find(path("roots").to_str().unwrap(), "nobody", &secure());
    assert_eq!(by_nobody.map(|_| PathBuf::new()), refused("roots", NOBODY));
    assert_eq!(
        find("no-such-program", "root", &secure()),
        Err(Refusal::Missing("no-such-program".into()))
    );
}

/// A program without a path is looked for as a shell would.
#[test]
fn search() {
    let found = find("true", "root", &ScriptRules::default()).unwrap();
    assert!(found.path().ends_with("bin/true"), "{found:?}");
}

/// keywords `user`, `script_user`, `set_supplementary_groups`: by name or number, with the user's own
/// group or another.
#[test]
fn users() {
    let identity = |user: Option<User>, rules: &ScriptRules| {
        let program = Program::new(&command("/bin/true", user), rules)?;
        let identity = program.identity();
        Ok((identity.uid, identity.gid, identity.groups.clone()))
    };
    let plain = ScriptRules::default();
    let root = |uid, gid| Ok((uid, gid, Vec::new()));
    let with = |account, group| Some(User { user: account, group });
    let named = |name: &str| Account::Name(name.to_owned());
    assert_eq!(identity(Some(user("nobody")), &plain), root(NOBODY, NOBODY));
    assert_eq!(identity(with(Account::Id(NOBODY), None), &plain), root(NOBODY, NOBODY));
    assert_eq!(identity(with(named("nobody"), Some(named("root"))), &plain), root(NOBODY, 0));
    assert_eq!(
        identity(with(Account::Id(4242), Some(Account::Id(4243))), &plain),
        root(4242, 4243)
    );
    assert_eq!(
        identity(with(Account::Id(4242), None), &plain),
        Err(Refusal::NoUser(Account::Id(4242)))
    );
    assert_eq!(identity(Some(user("no-such")), &plain), Err(Refusal::NoUser(named("no-such"))));
    assert_eq!(
        identity(with(named("root"), Some(named("no-such"))), &plain),
        Err(Refusal::NoGroup(named("no-such")))
    );
    let rules = ScriptRules { user: Some(user("nobody")), ..ScriptRules::default() };
    assert_eq!(identity(None, &rules), root(NOBODY, NOBODY));
    assert_eq!(identity(Some(user("root")), &rules), root(0, 0));
    let rules = ScriptRules { supplementary_groups: true, ..plain };
    let (_, _, groups) = identity(Some(user("nobody")), &rules).unwrap();
    assert!(groups.contains(&NOBODY), "{groups:?}");
}

/// keyword `script_user`: without it, and without the user keepalived_script, scripts have our own rights,
/// which is said; with script security they are refused.
#[test]
fn nobody_says_whose() {
    assert!(!exec::has_default_user(), "this test is for hosts without that user");
    let anybody = command("/bin/true", None);
    assert_eq!(Program::new(&anybody, &ScriptRules::default()).unwrap().identity().uid, 0);
    assert_eq!(Program::new(&anybody, &secure()), Err(Refusal::NoDefaultUser));

    let cautions = |global: &str, command: &str| {
        let text =
            format!("global_defs {{\n{global}\n}}\nvrrp_script s {{\nscript {command}\n}}\n");
        let config = config::parse("test.conf", text.as_bytes()).config.unwrap();
        Found::new(&config.scripts[0].command, &config.global.scripts).unwrap().cautions
    };
    let scratch = Scratch::new("cautions").file("open", 0o757);
    let open = scratch.path("open");
    let found = cautions("", open.to_str().unwrap());
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].contains("there is no user `keepalived_script`"), "{found:?}");
    assert!(found[1].contains("everybody may write to"), "{found:?}");
    assert_eq!(cautions("script_user nobody", open.to_str().unwrap()), [""; 0]);
    assert_eq!(cautions("script_user root", "/bin/true"), [""; 0]);
}
