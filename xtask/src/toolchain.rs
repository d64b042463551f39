//! The compiler and the linker for the kernel program.
//!
//! `bpfel-unknown-none` has no ready-made `core`, so the compiler must have the source of its own
//! library beside it (rust-src). bpf-linker reads the compiler's LLVM bitcode and loads that
//! compiler's libLLVM to do so, therefore the LLVM versions of the two must fit.

use std::fmt::{self, Display};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, anyhow, bail, ensure};
use clap::ValueEnum;

use crate::run::{cargo_program, command, find, output, root, run};
use crate::setup;

/// Belongs to the aya versions in the root's Cargo.toml; 0.11 wants an LLVM of the system.
const LINKER_VERSION: &str = "0.10.3";

/// The LLVM major version that bpf-linker 0.10 is made for.
const LINKER_LLVM: u32 = 22;

/// The instruction set: with 32-bit arithmetic and jumps (Linux 5.1).
const CPU: &str = "v3";

/// Words of a frame are read as words, wherever they stand, not octet by octet. That is for machines
/// that can, as those of x86-64 and arm64; the verifier of others refuses the program.
const CPU_FEATURES: &str = "+allows-misaligned-mem-access";

/// A download that hangs must not hang the build, in seconds.
const DOWNLOAD_LIMIT: &str = "60";

/// Where Debian's compiler (package rustc-web) is.
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";

/// The compilers that can build the kernel program, in the order in which they are tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Choice {
    /// rustup's nightly
    Nightly,
    /// The compiler that builds everything else
    Active,
    /// Debian's packages rustc-web and rust-web-src
    Debian,
}

impl Choice {
    const ALL: [Self; 3] = [Self::Nightly, Self::Active, Self::Debian];

    fn sysroot(self) -> Result<PathBuf> {
        let mut query = match self {
            Self::Nightly => command("rustup"),
            Self::Active => command("rustc"),
            Self::Debian => command(DEBIAN_RUSTC),
        };
        if self == Self::Nightly {
            query.args(["run", "nightly", "rustc"]).env("RUSTUP_AUTO_INSTALL", "0");
        }
        let sysroot = output(query.args(["--print", "sysroot"]))?;
        Ok(PathBuf::from(sysroot.trim()))
    }

    /// Fetches the library source (and Debian's compiler with it).
    fn install(self) -> Result<()> {
        match self {
            Self::Nightly => run(add_component().args(["rust-src", "--toolchain", "nightly"])),
            Self::Active => run(add_component().arg("rust-src")),
            Self::Debian => setup::apt_install(&["rustc-web", "rust-web-src"]),
        }
    }
}

impl Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nightly => "rustup's nightly",
            Self::Active => "the active toolchain",
            Self::Debian => "Debian's rustc-web",
        })
    }
}

/// A compiler that is installed.
pub(crate) struct Compiler {
    choice: Choice,
    sysroot: PathBuf,
    version: Version,
}

impl Compiler {
    /// The first usable compiler; if there is none, the first that can be made usable by
    /// installing what it lacks. With `choice`, only that one.
    pub(crate) fn find(choice: Option<Choice>) -> Result<Self> {
        let choices = Choice::ALL.into_iter().filter(|it| choice.is_none_or(|only| only == *it));
        let mut obstacles = Vec::new();
        let mut incomplete = Vec::new();
        for choice in choices {
            match Self::installed(choice).and_then(|it| it.fits().map(|()| it)) {
                Ok(compiler) if compiler.has_library_source() => return Ok(compiler),
                Ok(_) => incomplete.push(choice),
                Err(_) if choice == Choice::Debian => incomplete.push(choice),
                Err(error) => obstacles.push(format!("{choice}: {error:#}")),
            }
        }
        for choice in incomplete {
            match choice.install().and_then(|()| Self::complete(choice)) {
                Ok(compiler) => return Ok(compiler),
                Err(error) => obstacles.push(format!("{choice}: {error:#}")),
            }
        }
        bail!(
            "no compiler can build the kernel program.\n  {}\n{}",
            obstacles.join("\n  "),
            advice()
        );
    }

    fn complete(choice: Choice) -> Result<Self> {
        let compiler = Self::installed(choice)?;
        compiler.fits()?;
        ensure!(
            compiler.has_library_source(),
            "still no library source in {}",
            compiler.library().display()
        );
        Ok(compiler)
    }

    fn installed(choice: Choice) -> Result<Self> {
        let sysroot = choice.sysroot()?;
        let report = output(command(sysroot.join("bin/rustc")).arg("-vV"))?;
        let version =
            Version::parse(&report).ok_or_else(|| anyhow!("`rustc -vV` does not tell its LLVM"))?;
        Ok(Self { choice, sysroot, version })
    }

    fn fits(&self) -> Result<()> {
        let llvm = self.version.llvm;
        ensure!(
            llvm == LINKER_LLVM,
            "has LLVM {llvm}, but bpf-linker {LINKER_VERSION} needs {LINKER_LLVM}"
        );
        Ok(())
    }

    fn has_library_source(&self) -> bool {
        self.library().join("core/Cargo.toml").is_file()
    }

    fn library(&self) -> PathBuf {
        self.sysroot.join("lib/rustlib/src/rust/library")
    }

    /// `cargo build` with this compiler for `bpfel-unknown-none`, in a target folder of its own so
    /// that it never waits for a build of the host crates.
    pub(crate) fn build(&self) -> Result<Command> {
        let linker = linker()?;
        let flags = format!(
            "-C debuginfo=2 -C target-cpu={CPU} -C linker={} -C link-arg=--btf \
             -C link-arg=--cpu-features={CPU_FEATURES}",
            linker.display()
        );
        let mut cargo = command(self.cargo_path());
        cargo
            .current_dir(root())
            .env("RUSTC", self.sysroot.join("bin/rustc"))
            .env("RUSTC_BOOTSTRAP", "1") // -Z on a stable compiler
            .env("RUSTFLAGS", flags)
            .env_remove("CARGO_ENCODED_RUSTFLAGS") // it would hide RUSTFLAGS
            .env("LD_LIBRARY_PATH", self.llvm_folder()?)
            .args(["build", "--package", "vrrp-ebpf", "--bin", "xvrrp-ebpf", "--release"])
            .args(["-Z", "build-std=core", "--target", "bpfel-unknown-none"])
            .args(["--target-dir", "target/ebpf"]);
        Ok(cargo)
    }

    /// Debian packages no cargo with its compiler: there the one that runs us serves.
    fn cargo_path(&self) -> PathBuf {
        let own = self.sysroot.join("bin/cargo");
        if own.is_file() { own } else { PathBuf::from(cargo_program()) }
    }

    /// A folder with the compiler's libLLVM and nothing else. bpf-linker loads the first libLLVM
    /// that it finds in LD_LIBRARY_PATH, and Debian's folder may have several.
    fn llvm_folder(&self) -> Result<PathBuf> {
        let libraries = output(command("ldd").arg(self.sysroot.join("bin/rustc")))?;
        let library = llvm_library(&libraries).ok_or_else(|| {
            anyhow!("{}: its rustc has no shared libLLVM for bpf-linker", self.choice)
        })?;
        let folder = tools().join("llvm").join(self.version.release.as_str());
        fs::create_dir_all(&folder)?;
        let link = folder.join("libLLVM.so");
        if fs::read_link(&link).ok().as_deref() != Some(library) {
            fs::remove_file(&link).ok();
            symlink(library, &link).with_context(|| format!("cannot make {}", link.display()))?;
        }
        Ok(folder)
    }
}

impl Display for Compiler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Version { release, llvm } = &self.version;
        write!(f, "{} (rustc {release}, LLVM {llvm}), bpf-linker {LINKER_VERSION}", self.choice)
    }
}

/// What `rustc -vV` says.
#[derive(Debug, PartialEq, Eq)]
struct Version {
    release: String,
    /// LLVM's major version.
    llvm: u32,
}

impl Version {
    fn parse(report: &str) -> Option<Self> {
        let field = |name| report.lines().find_map(|line| line.strip_prefix(name));
        let llvm = field("LLVM version: ")?.split('.').next()?.parse().ok()?;
        Some(Self { release: field("release: ")?.to_owned(), llvm })
    }
}

/// The path of libLLVM in the answer of `ldd`, lines of the form `name => path (address)`.
fn llvm_library(libraries: &str) -> Option<&Path> {
    let line = libraries.lines().find(|line| line.trim_start().starts_with("libLLVM"))?;
    let (path, _address) = line.split_once("=> ")?.1.rsplit_once(" (")?;
    Some(Path::new(path))
}

/// The pinned bpf-linker: ours, else the one of the PATH, else it is built (about a minute).
fn linker() -> Result<PathBuf> {
    let ours = tools().join("bin/bpf-linker");
    if is_pinned(&ours) {
        return Ok(ours);
    }
    if let Some(theirs) = find("bpf-linker").filter(|path| is_pinned(path)) {
        return Ok(theirs);
    }
    let mut cargo = command(cargo_program());
    let package = format!("bpf-linker@{LINKER_VERSION}");
    run(cargo
        .args(["install", &package, "--locked", "--force", "--root"])
        .arg(tools())
        .arg("--target-dir")
        .arg(tools().join("build")))?;
    Ok(ours)
}

fn is_pinned(linker: &Path) -> bool {
    let version = output(command(linker).arg("--version"));
    version.is_ok_and(|it| it.trim() == format!("bpf-linker {LINKER_VERSION}"))
}

fn tools() -> PathBuf {
    root().join("target/tools")
}

fn add_component() -> Command {
    let mut rustup = command("timeout");
    rustup.args([DOWNLOAD_LIMIT, "rustup", "component", "add"]);
    rustup
}

fn advice() -> String {
    format!(
        "Install one with LLVM {LINKER_LLVM} by hand:\n  \
         rustup toolchain install nightly --component rust-src\n  \
         rustup component add rust-src\n  \
         apt-get install rustc-web rust-web-src    (Debian, as root)"
    )
}

/// Adds what `cargo clippy` and `cargo fmt` need where rustup was installed with little.
pub(crate) fn require_lint_tools() -> Result<()> {
    for (subcommand, component) in [("clippy", "clippy"), ("fmt", "rustfmt")] {
        let works = output(command(cargo_program()).args([subcommand, "--version"])).is_ok();
        if !works {
            run(add_component().arg(component))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Issue 2, build-ebpf: the LLVM version is what decides whether compiler and linker fit.
    #[test]
    fn rustc_tells_its_version_and_its_llvm() {
        let report = "rustc 1.97.0-nightly (e50aa6fba 2026-05-19)\nbinary: rustc\n\
                      release: 1.97.0-nightly\nLLVM version: 22.1.4\n";
        let expected = Version { release: "1.97.0-nightly".to_owned(), llvm: 22 };
        assert_eq!(Version::parse(report), Some(expected));
        assert_eq!(Version::parse("release: 1.40.0\n"), None);
        assert_eq!(Version::parse("release: 1.97.0\nLLVM version: unknown\n"), None);
    }

    /// Issue 2, build-ebpf: bpf-linker is given the libLLVM that the compiler itself uses.
    #[test]
    fn the_compilers_libllvm_is_found() {
        let libraries = "\tlinux-vdso.so.1 (0x00007ffd)\n\
                         \tlibLLVM.so.22.1 => /lib/x86_64-linux-gnu/libLLVM.so.22.1 (0x00007fc9)\n\
                         \tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007fc8)\n";
        let expected = Path::new("/lib/x86_64-linux-gnu/libLLVM.so.22.1");
        assert_eq!(llvm_library(libraries), Some(expected));
        assert_eq!(llvm_library("\tlibLLVM.so.22.1 => not found\n"), None);
        assert_eq!(llvm_library("\tlibc.so.6 => /lib/libc.so.6 (0x1)\n"), None);
    }
}
