//! Which sources a kernel program was built from. Shared with `vrrp-user/build.rs`, which must
//! not put an old program into a new daemon: so this file uses nothing but std.

use std::path::{Path, PathBuf};
use std::{fs, io};

/// The kernel program, from the root of the workspace.
pub(crate) const OBJECT: &str = "target/ebpf/xvrrp.bpf.o";

/// The fingerprint of the sources that [`OBJECT`] was built from; further lines are for people.
pub(crate) const STAMP: &str = "target/ebpf/xvrrp.bpf.stamp";

/// What the kernel program is made of, from the root of the workspace. The root's Cargo.toml has
/// the version of aya-ebpf and the profile, the toolchain the flags.
pub(crate) const SOURCES: [&str; 4] =
    ["Cargo.toml", "vrrp-common", "vrrp-ebpf", "xtask/src/toolchain.rs"];

/// Whether the kernel program exists and was built from the sources as they are now.
pub(crate) fn is_current(root: &Path) -> io::Result<bool> {
    let stamp = fs::read_to_string(root.join(STAMP)).unwrap_or_default();
    Ok(root.join(OBJECT).is_file() && stamp.lines().next() == Some(&of_sources(root)?))
}

/// FNV-1a (64 bit, as hex digits) over name and contents of each .rs and Cargo.toml file.
pub(crate) fn of_sources(root: &Path) -> io::Result<String> {
    let mut files = Vec::new();
    for source in SOURCES {
        collect(&root.join(source), &mut files)?;
    }
    files.sort();
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut feed = |bytes: &[u8]| {
        for byte in bytes {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    };
    for file in files {
        let name = file.strip_prefix(root).unwrap_or(&file).as_os_str().as_encoded_bytes();
        let contents = fs::read(&file)?;
        // The lengths keep "ab" + "c" apart from "a" + "bc".
        for part in [name, &contents] {
            feed(&part.len().to_le_bytes());
            feed(part);
        }
    }
    Ok(format!("{hash:016x}"))
}

/// All .rs and Cargo.toml files at `path`, a file or a folder; a missing one has none.
fn collect(path: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    if path.is_dir() {
        for entry in fs::read_dir(path)? {
            collect(&entry?.path(), files)?;
        }
    } else if path.is_file()
        && (path.extension().is_some_and(|it| it == "rs") || path.ends_with("Cargo.toml"))
    {
        files.push(path.to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A small workspace in a folder of its own, removed at the end.
    struct Workspace(PathBuf);

    impl Workspace {
        fn new(test: &str) -> Self {
            let name = format!("xtask-{test}-{}", std::process::id());
            let workspace = Self(std::env::temp_dir().join(name));
            workspace.write("Cargo.toml", "[workspace]");
            workspace.write("vrrp-ebpf/Cargo.toml", "[package]");
            workspace.write("vrrp-ebpf/src/main.rs", "fn main() {}");
            workspace.write("vrrp-common/src/lib.rs", "");
            workspace
        }

        fn write(&self, file: &str, contents: &str) {
            let path = self.0.join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, contents).unwrap();
        }

        fn fingerprint(&self) -> String {
            of_sources(&self.0).unwrap()
        }
    }

    impl Drop for Workspace {
        fn drop(&mut self) {
            fs::remove_dir_all(&self.0).ok();
        }
    }

    /// Issue 2, build-ebpf: every change of a source shows, nothing else does.
    #[test]
    fn the_fingerprint_follows_the_sources_and_nothing_else() {
        let workspace = Workspace::new("follows");
        let first = workspace.fingerprint();
        workspace.write("vrrp-ebpf/notes.md", "not a source");
        workspace.write("vrrp-user/src/main.rs", "not ours");
        assert_eq!(workspace.fingerprint(), first);

        workspace.write("vrrp-ebpf/src/main.rs", "fn main() { }");
        let changed = workspace.fingerprint();
        assert_ne!(changed, first, "changed contents");
        workspace.write("vrrp-ebpf/src/main.rs", "fn main() {}");
        assert_eq!(workspace.fingerprint(), first, "changed back");
        workspace.write("vrrp-common/src/wire.rs", "");
        let grown = workspace.fingerprint();
        assert_ne!(grown, first, "a new, empty file");
        workspace.write("xtask/src/toolchain.rs", "const FLAGS: &str = \"\";");
        assert_ne!(workspace.fingerprint(), grown, "the flags of the compiler");
    }

    /// Issue 2, build-ebpf: a missing or old program is not taken for a current one.
    #[test]
    fn only_a_program_of_these_sources_is_current() {
        let workspace = Workspace::new("current");
        let current = || is_current(&workspace.0).unwrap();
        workspace.write(STAMP, &format!("{}\nbuilt by a test\n", workspace.fingerprint()));
        assert!(!current(), "no program");
        workspace.write(OBJECT, "ELF");
        assert!(current());
        workspace.write("vrrp-ebpf/src/main.rs", "changed");
        assert!(!current(), "sources changed since");
    }
}
