//! Which programs may be run, and with whose rights.
//!
//! The rules are keepalived's (`enable_script_security` and its neighbours), the reasons ours.

use std::{
    collections::VecDeque,
    env, fmt,
    fs::{self, Metadata},
    io,
    os::unix::fs::MetadataExt,
    path::{Component, Path, PathBuf},
};

use nix::unistd::{Group, User, getegid, geteuid, getgrouplist};
use serde::{Deserialize, Serialize};

use crate::{
    config::{self, Account, ScriptRules},
    sys::process::Identity,
};

/// Something that can be run: found, permitted, and with somebody's rights.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Program {
    /// The file, absolute.
    pub(super) path: PathBuf,
    /// What it is told that it is called, and its arguments.
    pub(super) argv: Vec<String>,
    /// Whose rights it has.
    pub(super) identity: Identity,
}

/// Why something is not run. The configuration or the host is at fault.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum Refusal {
    /// The command has no word.
    #[error("the command is empty")]
    Empty,
    /// There is no such user.
    #[error("there is no user `{0}`")]
    NoUser(Account),
    /// There is no such group.
    #[error("there is no group `{0}`")]
    NoGroup(Account),
    /// `enable_script_security` without `script_user`, and without the user that is the default.
    #[error(
        "script security is enabled, nobody says whose rights scripts have, and there is no user `{DEFAULT_USER}`"
    )]
    NoDefaultUser,
    /// It is not there.
    #[error("`{0}` does not exist")]
    Missing(PathBuf),
    /// The kernel does not say whether it is there.
    #[error("`{path}` cannot be accessed: {error}")]
    Inaccessible {
        /// What the configuration names.
        path: PathBuf,
        /// What the kernel says.
        error: String,
    },
    /// It is no file.
    #[error("`{0}` is not a file")]
    NoFile(PathBuf),
    /// That user may not run it.
    #[error("`{path}` is not executable for uid {uid}, gid {gid}")]
    NotExecutable {
        /// What the configuration names.
        path: PathBuf,
        /// Number of the user.
        uid: u32,
        /// Number of the group.
        gid: u32,
    },
    /// `enable_script_security`: others than root could put something else in its place.
    #[error("{0}")]
    Insecure(Exposure),
}

/// Something that is run as root and could be replaced by somebody else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exposure {
    /// What is run.
    pub program: PathBuf,
    /// The part of its path that is not root's alone.
    pub part: PathBuf,
    /// Why.
    pub why: Writable,
}

impl fmt::Display for Exposure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { program, part, why } = self;
        let (program, part) = (program.display(), part.display());
        write!(f, "`{program}` runs as root, but ")?;
        match why {
            Writable::Owner(uid) => write!(f, "`{part}` belongs to uid {uid}"),
            Writable::Group(gid) => write!(f, "gid {gid} may write to `{part}`"),
            Writable::All => write!(f, "everybody may write to `{part}`"),
        }
    }
}

/// Who besides root may write to a file or directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Writable {
    /// Its owner, this user.
    Owner(u32),
    /// This group.
    Group(u32),
    /// Everybody.
    All,
}

/// Whose rights scripts have by default, where there is such a user.
const DEFAULT_USER: &str = "keepalived_script";

/// Where programs without a path are looked for, behind `PATH`.
const DIRECTORIES: [&str; 6] =
    ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];

/// The kernel follows so many symbolic links, path_resolution(7).
const MOST_LINKS: u32 = 40;

impl Program {
    /// Looks a command up on this host.
    ///
    /// A command without a path is looked for in `PATH`; symbolic links are resolved unless the rules say
    /// otherwise. Errors are for users. What would be refused with `enable_script_security` and is not
    /// comes with an [`Exposure`].
    pub fn find(
        command: &config::Command,
        rules: &ScriptRules,
    ) -> Result<(Self, Option<Exposure>), Refusal> {
        let identity = identity(command.user.as_ref().or(rules.user.as_ref()), rules)?;
        let name = command.argv.first().ok_or(Refusal::Empty)?;
        let mut argv = command.argv.clone();
        let path = if let Some(file) = opened(name) {
            // As with keepalived, it is a shell that opens the file.
            argv = ["/bin/sh", "-c", ": < \"$0\"", file].map(str::to_owned).to_vec();
            PathBuf::from("/bin/sh")
        } else {
            let named = if name.contains('/') {
                PathBuf::from(name)
            } else {
                search(name, &identity).ok_or_else(|| Refusal::Missing(name.into()))?
            };
            if rules.keep_symlinks { named } else { resolve(&named)? }
        };
        let file = fs::metadata(&path).map_err(|error| refusal(&path, &error))?;
        if !file.is_file() {
            return Err(Refusal::NoFile(path));
        }
        if !is_executable(&file, &identity) {
            let Identity { uid, gid, .. } = identity;
            return Err(Refusal::NotExecutable { path, uid, gid });
        }
        let exposure = if is_root(&file, &identity) { exposure(&path)? } else { None };
        match exposure {
            Some(exposure) if rules.security => Err(Refusal::Insecure(exposure)),
            exposure => Ok((Self { path, argv, identity }, exposure)),
        }
    }

    /// As [`Self::find`], whatever may be said about it.
    pub fn new(command: &config::Command, rules: &ScriptRules) -> Result<Self, Refusal> {
        Self::find(command, rules).map(|(program, _)| program)
    }

    /// The file that is run.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whose rights it has.
    pub const fn identity(&self) -> &Identity {
        &self.identity
    }
}

/// Whether this host has the user whose rights scripts have by default.
pub fn has_default_user() -> bool {
    matches!(User::from_name(DEFAULT_USER), Ok(Some(_)))
}

/// Something that can be run, and what is to be said about that.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    /// What can be run.
    pub program: Program,
    /// Why it should not be, a sentence each.
    pub cautions: Vec<String>,
}

impl Found {
    /// As [`Program::find`].
    pub fn new(command: &config::Command, rules: &ScriptRules) -> Result<Self, Refusal> {
        let (program, exposure) = Program::find(command, rules)?;
        let of_nobody = command.user.is_none() && rules.user.is_none() && !has_default_user();
        let our_rights = of_nobody.then(|| {
            format!(
                "scripts have our own rights: nobody says whose, and there is no user `{DEFAULT_USER}`"
            )
        });
        let exposure = exposure.map(|exposure| exposure.to_string());
        Ok(Self { program, cautions: our_rights.into_iter().chain(exposure).collect() })
    }
}

/// Whose rights: of `user`, or by default of [`DEFAULT_USER`] where there is one, else our own.
pub fn identity(user: Option<&config::User>, rules: &ScriptRules) -> Result<Identity, Refusal> {
    let Some(user) = user else {
        return match User::from_name(DEFAULT_USER).ok().flatten() {
            Some(user) => Ok(identity_of(&user, None, rules)),
            None if rules.security => Err(Refusal::NoDefaultUser),
            None => Ok(Identity {
                uid: geteuid().as_raw(),
                gid: getegid().as_raw(),
                groups: Vec::new(),
            }),
        };
    };
    let group = user.group.as_ref().map(find_group).transpose()?;
    match (find_user(&user.user), &user.user, group) {
        (Some(user), _, group) => Ok(identity_of(&user, group, rules)),
        // A number that is nobody's has no group of its own.
        (None, &Account::Id(uid), Some(gid)) => Ok(Identity { uid, gid, groups: Vec::new() }),
        (None, user, _) => Err(Refusal::NoUser(user.clone())),
    }
}

fn identity_of(user: &User, group: Option<u32>, rules: &ScriptRules) -> Identity {
    let gid = group.unwrap_or(user.gid.as_raw());
    let groups = if rules.supplementary_groups { groups_of(user) } else { Vec::new() };
    Identity { uid: user.uid.as_raw(), gid, groups }
}

fn find_user(user: &Account) -> Option<User> {
    match user {
        Account::Name(name) => User::from_name(name).ok()?,
        Account::Id(uid) => User::from_uid((*uid).into()).ok()?,
    }
}

fn find_group(group: &Account) -> Result<u32, Refusal> {
    let found = match group {
        Account::Name(name) => {
            Group::from_name(name).ok().flatten().map(|group| group.gid.as_raw())
        }
        Account::Id(gid) => Some(*gid),
    };
    found.ok_or_else(|| Refusal::NoGroup(group.clone()))
}

fn groups_of(user: &User) -> Vec<u32> {
    // A name from the system's own list is none that a C string could not hold.
    let name = std::ffi::CString::new(user.name.as_str()).unwrap_or_default();
    let groups = getgrouplist(&name, user.gid).unwrap_or_default();
    groups.into_iter().map(nix::unistd::Gid::as_raw).collect()
}

/// `</PATH`: succeeds if that file can be opened. keepalived hands such a command to a shell.
fn opened(name: &str) -> Option<&str> {
    name.strip_prefix('<').map(str::trim_start).filter(|file| file.starts_with('/'))
}

/// The first file of that name in `PATH` and in [`DIRECTORIES`] that can be run, else the first.
fn search(name: &str, identity: &Identity) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let directories = env::split_paths(&path).chain(DIRECTORIES.map(PathBuf::from));
    let found = directories.filter(|directory| directory.is_absolute()).filter_map(|directory| {
        let place = directory.join(name);
        let file = fs::metadata(&place).ok().filter(Metadata::is_file)?;
        Some((is_executable(&file, identity), place))
    });
    let mut second_best = None;
    for (runs, place) in found {
        if runs {
            return Some(place);
        }
        second_best.get_or_insert(place);
    }
    second_best
}

/// Without symbolic links, but under its own name where that is in the same directory: some programs
/// do what they are called.
fn resolve(named: &Path) -> Result<PathBuf, Refusal> {
    let real = named.canonicalize().map_err(|error| refusal(named, &error))?;
    let own_name = named.file_name().map(|name| real.with_file_name(name));
    let is_same = |path: &PathBuf| path.canonicalize().is_ok_and(|other| other == real);
    Ok(own_name.filter(is_same).unwrap_or(real))
}

fn refusal(path: &Path, error: &io::Error) -> Refusal {
    let path = path.to_owned();
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Refusal::Missing(path),
        _ => Refusal::Inaccessible { path, error: error.to_string() },
    }
}

/// As the permission bits have it.
fn is_executable(file: &Metadata, identity: &Identity) -> bool {
    let Identity { uid, gid, groups } = identity;
    let bits = if *uid == 0 {
        0o111
    } else if *uid == file.uid() {
        0o100
    } else if *gid == file.gid() || groups.contains(&file.gid()) {
        0o010
    } else {
        0o001
    };
    file.mode() & bits != 0
}

/// True if it has the rights of root, or those of root's group.
fn is_root(file: &Metadata, identity: &Identity) -> bool {
    let mode = file.mode();
    let becomes_root = file.uid() == 0 && mode & 0o4100 == 0o4100;
    let becomes_group = file.gid() == 0 && mode & 0o2010 == 0o2010;
    identity.uid == 0 || identity.gid == 0 || becomes_root || becomes_group
}

/// The first thing on the way to a file that others than root could replace.
fn exposure(program: &Path) -> Result<Option<Exposure>, Refusal> {
    let mut place = PathBuf::from("/");
    let mut ahead: VecDeque<PathBuf> = parts(program);
    let mut links = 0;
    loop {
        let file = place.symlink_metadata().map_err(|error| refusal(&place, &error))?;
        if let Some(why) = writable(&file) {
            return Ok(Some(Exposure { program: program.to_owned(), part: place, why }));
        }
        if file.is_symlink() {
            links += 1;
            let target = fs::read_link(&place).map_err(|error| refusal(&place, &error))?;
            place.pop();
            if target.is_absolute() {
                place = PathBuf::from("/");
            }
            let mut through = parts(&target);
            through.append(&mut ahead);
            ahead = through;
        }
        let Some(next) = ahead.pop_front() else { return Ok(None) };
        if links > MOST_LINKS {
            return Err(Refusal::Missing(program.to_owned()));
        }
        if next == Path::new("..") {
            place.pop();
        } else {
            place.push(next);
        }
    }
}

/// What a path leads through, without `/`.
fn parts(path: &Path) -> VecDeque<PathBuf> {
    let named = |part: &Component<'_>| matches!(part, Component::Normal(_) | Component::ParentDir);
    path.components().filter(named).map(|part| PathBuf::from(part.as_os_str())).collect()
}

/// Whether others than root may write to it. In a directory with the sticky bit nobody can replace what
/// is root's.
fn writable(file: &Metadata) -> Option<Writable> {
    let (kind, mode) = (file.file_type(), file.mode());
    let is_sticky = kind.is_dir() && mode & 0o1000 != 0;
    if file.uid() != 0 {
        Some(Writable::Owner(file.uid()))
    } else if kind.is_symlink() || is_sticky {
        None
    } else if mode & 0o002 != 0 {
        Some(Writable::All)
    } else if mode & 0o020 != 0 && file.gid() != 0 {
        Some(Writable::Group(file.gid()))
    } else {
        None
    }
}
