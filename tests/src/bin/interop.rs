//! Runs the interoperation matrix and prints it.

use std::{
    io::{IsTerminal, stdout},
    process::ExitCode,
    sync::Mutex,
    thread,
    time::Instant,
};

use anyhow::{Result, ensure};
use clap::Parser;
use rig::{
    Daemon,
    interop::{Role, Row, Verdict, rows},
    remove_on_signals,
};

/// Runs xvrrp beside other VRRP daemons, in every role, and prints a table.
///
/// Each row is a lab of network namespaces with two routers, one of them xvrrp, and a client that
/// watches. The exit status is 0 when every cell is green or fails between two daemons of the peer's
/// kind as well.
#[derive(Parser)]
#[command(name = "interop", bin_name = "cargo xtask interop")]
struct Arguments {
    /// Only rows with this peer: keepalived or frr
    #[arg(long, value_name = "NAME")]
    peer: Option<Daemon>,
    /// Only rows with this in their name, as the table shows it
    #[arg(long, value_name = "TEXT", default_value = "")]
    filter: String,
    /// Rows at the same time
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..))]
    jobs: u8,
}

fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    let mut rows = rows();
    rows.retain(|row| {
        arguments.peer.is_none_or(|peer| row.peer == peer)
            && row.to_string().contains(&arguments.filter)
    });
    ensure!(!rows.is_empty(), "no row has that name");
    remove_on_signals()?;
    let results = run(rows, arguments.jobs);
    print_table(&results);
    let red = print_reasons(&results);
    Ok(if red == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

type RowResult = (Row, [Verdict; 5]);

/// All rows, `jobs` at a time, in the order of the table; says which are done.
fn run(rows: Vec<Row>, jobs: u8) -> Vec<RowResult> {
    let start = Instant::now();
    let count = rows.len();
    let waiting = Mutex::new(rows.into_iter().enumerate());
    let done = Mutex::new(Vec::new());
    let next = || locked(&waiting).next();
    let worker = || {
        while let Some((number, row)) = next() {
            let verdicts = row.run();
            let green = verdicts.iter().filter(|verdict| **verdict == Verdict::Green).count();
            let mut done = locked(&done);
            done.push((number, (row.clone(), verdicts)));
            let (finished, seconds) = (done.len(), start.elapsed().as_secs());
            eprintln!(
                "[{finished}/{count}] {seconds:>3} s  {row}: {green} of {} green",
                Role::ALL.len()
            );
        }
    };
    thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(worker);
        }
    });
    let mut done = done.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    done.sort_by_key(|(number, _)| *number);
    done.into_iter().map(|(_, result)| result).collect()
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn print_table(results: &[RowResult]) {
    let name_width = results.iter().map(|(row, _)| row.to_string().len()).max().unwrap_or(0);
    print!("{:name_width$}", "");
    Role::ALL.iter().for_each(|role| print!("  {:<13}", role.heading()));
    println!();
    for (row, verdicts) in results {
        print!("{:name_width$}", row.to_string());
        for verdict in verdicts {
            let (word, colour) = match verdict {
                Verdict::Green => ("ok", 32),
                Verdict::Red(_) => ("FAILED", 31),
                Verdict::FailsForThemToo { .. } => ("theirs too", 33),
            };
            if stdout().is_terminal() {
                print!("  \x1b[{colour}m{word:<13}\x1b[0m");
            } else {
                print!("  {word:<13}");
            }
        }
        println!();
    }
}

/// Why cells are not green, once for all cells of a row with the same reason; returns the number of
/// red cells.
fn print_reasons(results: &[RowResult]) -> usize {
    let mut red = 0;
    for (row, verdicts) in results {
        for (index, verdict) in verdicts.iter().enumerate() {
            red += usize::from(matches!(verdict, Verdict::Red(_)));
            if verdicts[..index].contains(verdict) {
                continue;
            }
            let same = Role::ALL.iter().zip(verdicts).filter(|(_, other)| *other == verdict);
            let roles: Vec<_> = same.map(|(role, _)| role.heading()).collect();
            let cells = format!("{row}, {}", roles.join(", "));
            match verdict {
                Verdict::Green => {}
                Verdict::Red(reason) => println!("\n{cells}: FAILED\n{}", indented(reason)),
                Verdict::FailsForThemToo { ours, theirs } => {
                    println!("\n{cells}: fails\n{}", indented(ours));
                    let peer = row.peer;
                    println!("and between {peer} and {peer}, too\n{}", indented(theirs));
                }
            }
        }
    }
    red
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("    {line}\n")).collect()
}
