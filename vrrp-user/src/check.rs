//! `xvrrp check`: reads configurations and says what is wrong with them. Needs neither root nor the
//! interfaces of the file.

use std::{
    fs,
    io::{self, Write},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use serde::Serialize;

use crate::config::{self, Loaded, Severity, Verdict};

/// Checks every file as the node `id` would read it and writes the result: drawn diagnostics and a
/// last line for each file, or with `json` one array of objects. Returns the exit code of the worst file, as `keepalived -t` has it:
/// 0 clean, 4 cannot run, 5 has errors but would run, 6 script security. Errors are those of `out`.
pub fn run(files: &[PathBuf], id: &str, json: bool, out: &mut impl Write) -> io::Result<u8> {
    let mut worst = Verdict::Clean;
    let mut entries = Vec::new();
    for path in files {
        let mut loaded = config::load_as(path, id);
        if !has_script_user() {
            loaded.check_scripts(is_program);
        }
        worst = worst.max(loaded.verdict());
        if json {
            entries.extend(Entry::all(&loaded));
        } else {
            out.write_all(loaded.render(false).as_bytes())?;
            writeln!(out, "{}: {}", path.display(), summary(&loaded))?;
        }
    }
    if json {
        serde_json::to_writer_pretty(&mut *out, &entries)?;
        writeln!(out)?;
    }
    Ok(worst.exit_code())
}

/// One diagnostic for programs. Lines and columns count from 1, columns count characters; the end is
/// the column behind the last character.
#[derive(Serialize)]
struct Entry {
    file: String,
    line: u32,
    column: u32,
    end_line: u32,
    end_column: u32,
    severity: &'static str,
    code: &'static str,
    message: String,
    help: Option<String>,
    /// Where the text was written that a variable or a loop has brought to this place.
    #[serde(skip_serializing_if = "Option::is_none")]
    origin: Option<Origin>,
}

/// Where something begins.
#[derive(Serialize)]
struct Origin {
    file: String,
    line: u32,
    column: u32,
}

impl Entry {
    fn all(loaded: &Loaded) -> impl Iterator<Item = Self> {
        loaded.diagnostics.iter().map(|diagnostic| {
            let (start, end) = loaded.sources.positions(diagnostic.span);
            let origin = loaded.sources.origin(diagnostic.span).map(|origin| {
                let (start, _) = loaded.sources.positions(origin);
                let file = loaded.sources.name(origin.file).to_owned();
                Origin { file, line: start.line, column: start.column }
            });
            Self {
                file: loaded.sources.name(diagnostic.span.file).to_owned(),
                line: start.line,
                column: start.column,
                end_line: end.line,
                end_column: end.column,
                severity: diagnostic.severity.name(),
                code: diagnostic.code,
                message: diagnostic.message.clone(),
                help: diagnostic.help.clone(),
                origin,
            }
        })
    }
}

/// keepalived runs scripts as the user `keepalived_script` where there is one.
fn has_script_user() -> bool {
    let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
    users.lines().any(|line| line.starts_with("keepalived_script:"))
}

fn is_program(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

/// `clean`, or `3 errors, 2 warnings, would run`.
fn summary(loaded: &Loaded) -> String {
    let plural = |count: usize, word: &str| {
        let s = if count == 1 { "" } else { "s" };
        (count > 0).then(|| format!("{count} {word}{s}"))
    };
    let not_yet = loaded.count(Severity::NotYet);
    let counts = [
        plural(loaded.count(Severity::Error), "error"),
        plural(loaded.count(Severity::Warning), "warning"),
        (not_yet > 0).then(|| format!("{not_yet} not yet implemented")),
        plural(loaded.count(Severity::Hint), "hint"),
    ];
    let verdict = Some(loaded.verdict().to_string());
    let parts: Vec<String> = counts.into_iter().chain([verdict]).flatten().collect();
    parts.join(", ")
}
