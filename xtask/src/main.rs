//! `cargo xtask`: everything that is done with this repository beyond a plain `cargo build`.
//!
//! It depends on no other crate of the workspace, because `vrrp-user` compiles only after
//! `build-ebpf` has made the kernel program.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::fuzz::Limit;
use crate::toolchain::Choice;

mod demo;
mod ebpf;
mod fingerprint;
mod fuzz;
mod lint;
mod run;
mod setup;
mod test;
mod toolchain;

#[derive(Parser)]
#[command(bin_name = "cargo xtask", about = "Builds, checks and shows xvrrp")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Build the kernel program (target/ebpf/xvrrp.bpf.o) that `cargo build` puts into xvrrp
    BuildEbpf {
        /// Use this compiler and build even when the program is up to date
        #[arg(long, value_enum, env = "XVRRP_EBPF_COMPILER")]
        compiler: Option<Choice>,
    },
    /// Check the formatting, and run clippy on the host crates and on the kernel program
    Lint,
    /// Install what is missing, build, lint, and run all tests (needs root)
    Test {
        /// Run only the tests whose name contains this
        #[arg(long)]
        filter: Option<String>,
    },
    /// Show two nodes, one failure and the takeover (needs root)
    #[command(disable_help_flag = true)]
    Demo {
        /// Arguments of the demo itself, `--help` lists them
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
    /// Write docs/conformance.md: which test proves which requirement
    Ledger,
    /// Measure failovers at the shortest interval (needs root)
    #[command(disable_help_flag = true)]
    Failover {
        /// Arguments of the measurement itself, `--help` lists them
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
    /// Measure xvrrp and keepalived on the same work, and write docs/bench.md (needs root)
    #[command(disable_help_flag = true)]
    Bench {
        /// Arguments of the measurement itself, `--help` lists them
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
    /// Run xvrrp beside keepalived and FRR in every role, and print a table (needs root)
    #[command(disable_help_flag = true)]
    Interop {
        /// Arguments of the matrix itself, `--help` lists them
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
    /// Run the fuzz targets, each parser of outside input, until a limit or a finding
    Fuzz {
        /// Only this one
        #[arg(long)]
        target: Option<String>,
        /// So many executions of each
        #[arg(long, default_value_t = 10_000_000)]
        executions: u64,
        /// At most so many seconds for each
        #[arg(long, default_value_t = 0)]
        seconds: u64,
        /// Do not look for inputs, run these
        #[arg(requires = "target")]
        inputs: Vec<PathBuf>,
    },
    /// Run a file of test vectors against the codec and the kernel program (needs root)
    Vectors {
        /// The vectors, in the format of tests/data/vectors.json
        file: PathBuf,
    },
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().task {
        Task::BuildEbpf { compiler } => ebpf::build(compiler),
        Task::Lint => lint::all(),
        Task::Test { filter } => test::test(filter.as_deref()),
        Task::Demo { arguments } => demo::demo(&arguments),
        Task::Ledger => demo::ledger(),
        Task::Failover { arguments } => demo::failover(&arguments),
        Task::Bench { arguments } => demo::bench(&arguments),
        Task::Interop { arguments } => demo::interop(&arguments),
        Task::Fuzz { target, executions, seconds, inputs } => {
            fuzz::fuzz(target.as_deref(), Limit { executions, seconds }, &inputs)
        }
        Task::Vectors { file } => demo::vectors(&file),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
