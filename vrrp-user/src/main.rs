//! `xvrrp`: the command line.

use std::{
    env,
    io::{self, IsTerminal, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, Result, ensure};
use clap::{Args, Parser, Subcommand, ValueEnum};
use tracing::{error, level_filters::LevelFilter, warn};
use tracing_subscriber::EnvFilter;
use xvrrp::{
    api, check,
    config::{self, Verdict, explain},
    daemon, exec,
    host::RuntimeDir,
};

/// VRRP and virtual IP addresses for Linux, with the fast path in the kernel.
#[derive(Parser)]
#[command(name = "xvrrp", version, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the daemon in the foreground.
    ///
    /// Three processes: one does the work, another starts it again should it die, and the third runs
    /// scripts for it. Logs to standard error. SIGTERM and SIGINT stop it: it resigns, removes its
    /// addresses and leaves nothing behind. SIGUSR1 logs the status.
    Run(Run),
    /// Say what a configuration means and what is wrong with it.
    ///
    /// Needs no root, no interfaces and no kernel support. Exit status as of `keepalived -t`:
    /// 0 clean, 4 cannot run, 5 has errors but would run, 6 script security. Of several files the
    /// worst counts. What this host lacks is said, and changes nothing about it.
    Check(Check),
    /// Say what a keyword or the code of a diagnostic means.
    ///
    /// Of a keyword: its usage, its range, its default, and what xvrrp does with it. Without a word: all
    /// keywords, a line each. Exit status 1 if a word is neither.
    Explain(Explain),
    /// Show the virtual routers of a running daemon.
    Status(Status),
    /// Follow what happens in a running daemon: transitions and rejected adverts, with their reasons.
    ///
    /// Begins with the state of each virtual router, and ends with the daemon.
    Events(Events),
    /// Have a running daemon read its configuration again, and wait until it goes on with it.
    ///
    /// Prints what has changed. A file that has errors which the running configuration does not have
    /// changes nothing: exit status 1, with these errors on standard error. SIGHUP does the same without a word here.
    Reload(Runtime),
    /// Stop a running daemon and wait until it has stopped.
    Stop(Runtime),
    /// End a running daemon in favour of the next one.
    ///
    /// Nobody resigns: addresses, kernel program and leases stay, and the kernel answers until the
    /// leases lapse. `xvrrp run`, perhaps another version, takes over until then. Virtual routers
    /// without a kernel program (`xdp_mode none`) resign.
    Handover(Runtime),
    /// Remove what a daemon that is gone has left: kernel program, addresses, all that it had changed.
    ///
    /// Needs no daemon, and is refused while one uses the runtime directory.
    Detach(Detach),
}

#[derive(Args)]
struct Run {
    /// Configuration, in the language of keepalived.conf.
    #[arg(short, long, value_name = "FILE", default_value = "/etc/keepalived/keepalived.conf")]
    file: PathBuf,
    #[command(flatten)]
    node: Node,
    #[command(flatten)]
    runtime: Runtime,
    /// How to log.
    #[arg(long, value_enum, default_value_t = LogFormat::Text)]
    log_format: LogFormat,
    /// Do the work, for the supervisor that has started this process.
    #[arg(long, hide = true)]
    worker: bool,
    /// The worker takes the place of one that died.
    #[arg(long, hide = true)]
    successor: bool,
    /// Run programs for the worker that has started this process.
    #[arg(long, hide = true)]
    runner: bool,
}

#[derive(Args)]
struct Detach {
    #[command(flatten)]
    runtime: Runtime,
    /// Only what is on this interface.
    #[arg(value_name = "IF")]
    interface: Option<String>,
}

#[derive(Args)]
struct Check {
    /// Configuration; may be given several times.
    #[arg(short, long, value_name = "FILE", required = true, num_args = 1..)]
    file: Vec<PathBuf>,
    /// What lines that begin with @ID and ${_INSTANCE} refer to. By default the host name up to its
    /// first dot. Given once, it is that of all files; given as often as files, in their order, each
    /// has its own, as the nodes of a cluster have.
    #[arg(short = 'i', long, value_name = "ID")]
    config_id: Vec<String>,
    /// The files are those of the nodes of one cluster: say why they could not elect, or would not
    /// take over. Errors of that kind make 5, though each file would run.
    #[arg(long)]
    together: bool,
    /// Do not look at this host: its interfaces, and its programs, on which script security depends.
    #[arg(long)]
    no_host: bool,
    /// Print the diagnostics as a JSON array.
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
struct Explain {
    /// Keywords such as `advert_int`, codes such as `E0031`.
    #[arg(value_name = "WORD")]
    words: Vec<String>,
    /// Print docs/keywords.md.
    #[arg(long, conflicts_with = "words")]
    markdown: bool,
}

#[derive(Args)]
struct Node {
    /// What lines that begin with @ID and ${_INSTANCE} refer to. By default the host name up to its
    /// first dot.
    #[arg(short = 'i', long, value_name = "ID")]
    config_id: Option<String>,
}

impl Node {
    fn id(self) -> String {
        self.config_id.unwrap_or_else(config::Disk::name)
    }
}

#[derive(Args)]
struct Status {
    #[command(flatten)]
    runtime: Runtime,
    /// Print a JSON array.
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
struct Events {
    #[command(flatten)]
    runtime: Runtime,
    /// Print one JSON object a line.
    #[arg(long)]
    json: bool,
    /// Print every advert, too, also those that the kernel program absorbs.
    #[arg(long)]
    adverts: bool,
}

#[derive(Args)]
struct Runtime {
    /// Where the daemon keeps its socket, lock and journal. Two daemons on one machine differ in it.
    #[arg(long, value_name = "DIR", default_value = "/run/xvrrp")]
    runtime_dir: PathBuf,
}

#[derive(Clone, Copy, ValueEnum)]
enum LogFormat {
    /// Lines for people.
    Text,
    /// One JSON object a line.
    Json,
}

fn main() -> ExitCode {
    match dispatch(Cli::parse().command) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("xvrrp: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(command: Command) -> Result<ExitCode> {
    match command {
        Command::Run(run) if run.runner => {
            exec::serve()?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Run(run) if run.worker => run_worker(run),
        Command::Run(run) => run_supervisor(&run),
        Command::Check(command) => check_files(command),
        Command::Explain(Explain { words, markdown }) => explain_words(&words, markdown),
        Command::Status(Status { runtime, json }) => show_status(&runtime.runtime_dir, json),
        Command::Events(Events { runtime, json, adverts }) => {
            follow_events(&runtime.runtime_dir, json, adverts)
        }
        Command::Reload(Runtime { runtime_dir }) => {
            print(&api::reload(&runtime_dir)?.to_string())?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Stop(Runtime { runtime_dir }) => {
            api::stop(&runtime_dir)?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Handover(Runtime { runtime_dir }) => {
            api::hand_over(&runtime_dir)?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Detach(detach) => clean_up(&detach),
    }
}

fn check_files(Check { file, config_id, together, no_host, json }: Check) -> Result<ExitCode> {
    ensure!(!together || file.len() > 1, "--together is about two files or more");
    let ids = match &config_id[..] {
        [] => vec![config::Disk::name(); file.len()],
        [all] => vec![all.clone(); file.len()],
        _ => config_id,
    };
    ensure!(ids.len() == file.len(), "--config-id goes with all files, or once with each");
    let files: Vec<(PathBuf, String)> = file.into_iter().zip(ids).collect();
    let mut out = io::stdout().lock();
    let plain = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let options = check::Options {
        json,
        together,
        // At most one node of a cluster is this host.
        host: !no_host && !together,
        color: out.is_terminal() && !plain,
    };
    Ok(check::run(&files, options, &mut out).map(ExitCode::from)?)
}

fn run_supervisor(Run { runtime, log_format, .. }: &Run) -> Result<ExitCode> {
    start_log(*log_format);
    let code = asynchronous()?.block_on(daemon::supervise(&runtime.runtime_dir))?;
    Ok(ExitCode::from(code))
}

fn clean_up(Detach { runtime, interface }: &Detach) -> Result<ExitCode> {
    start_log(LogFormat::Text);
    let runtime_dir = RuntimeDir::claim(&runtime.runtime_dir)?;
    asynchronous()?.block_on(daemon::clean_up(&runtime_dir, interface.as_deref()))?;
    Ok(ExitCode::SUCCESS)
}

/// Nothing outside the pulse is worth a second thread: what must not wait runs there.
fn asynchronous() -> Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("the asynchronous runtime cannot be started")
}

fn run_worker(Run { file, node, runtime, log_format, successor, .. }: Run) -> Result<ExitCode> {
    start_log(log_format);
    let source = daemon::Source { file, id: node.id() };
    let file = source.file.clone();
    let loaded =
        if successor { source.load_for_successor(&runtime.runtime_dir) } else { source.load() };
    daemon::log_diagnostics(&loaded);
    let flaws = daemon::Flaws::of(&loaded);
    let Some(config) = loaded.config else {
        error!("{} cannot be run: see `xvrrp check -f {0}`", file.display());
        return Ok(ExitCode::from(Verdict::CannotRun.exit_code()));
    };
    if !config.virtual_servers.is_empty() {
        warn!(
            "virtual_server blocks are not served by xvrrp: run `keepalived -C -f {}` beside it",
            file.display()
        );
    }
    let options = daemon::Options { runtime_dir: runtime.runtime_dir, source, flaws, successor };
    let runtime = asynchronous()?;
    let outcome = runtime.block_on(daemon::run(config, options));
    // Threads that wait for a name server or a file system are not waited for.
    runtime.shutdown_background();
    match outcome {
        Err(error) if error.is_worth_another_try() => {
            error!("{error}");
            Ok(ExitCode::from(daemon::Error::EXIT_CODE))
        }
        outcome => Ok(outcome.map(|()| ExitCode::SUCCESS)?),
    }
}

/// To standard error, with keepalived's words at the start of each message. What libraries and the
/// kernel program log through the `log` crate joins in.
fn start_log(format: LogFormat) {
    let filter =
        EnvFilter::builder().with_default_directive(LevelFilter::INFO.into()).from_env_lossy();
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    match format {
        LogFormat::Text => log.with_target(false).with_ansi(io::stderr().is_terminal()).init(),
        LogFormat::Json => log.json().init(),
    }
}

fn explain_words(words: &[String], markdown: bool) -> Result<ExitCode> {
    if words.is_empty() {
        print(&if markdown { explain::markdown() } else { explain::list() })?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut code = ExitCode::SUCCESS;
    for (word, blank) in words.iter().zip(std::iter::once("").chain(std::iter::repeat("\n"))) {
        match explain::explain(word) {
            Ok(text) => {
                print(&format!("{blank}{text}"))?;
            }
            Err(unknown) => {
                eprintln!("xvrrp: {unknown}");
                code = ExitCode::FAILURE;
            }
        }
    }
    Ok(code)
}

fn show_status(runtime_dir: &Path, json: bool) -> Result<ExitCode> {
    let routers = api::status(runtime_dir)?;
    let text = if json {
        serde_json::to_string_pretty(&routers).context("the status cannot be written as JSON")?
            + "\n"
    } else {
        api::table(&routers)
    };
    print(&text)?;
    Ok(ExitCode::SUCCESS)
}

fn follow_events(runtime_dir: &Path, json: bool, adverts: bool) -> Result<ExitCode> {
    for event in api::events(runtime_dir, adverts)? {
        let event = event?;
        let line = if json {
            serde_json::to_string(&event).context("the event cannot be written as JSON")?
        } else {
            event.to_string()
        };
        if print(&(line + "\n"))? == Reader::Gone {
            break;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Whether somebody reads what is printed.
#[derive(PartialEq, Eq)]
enum Reader {
    Reads,
    /// It has seen enough, such as `head`, which is no failure.
    Gone,
}

fn print(text: &str) -> io::Result<Reader> {
    match io::stdout().write_all(text.as_bytes()) {
        Ok(()) => Ok(Reader::Reads),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(Reader::Gone),
        Err(error) => Err(error),
    }
}
