//! Numbers that the administrator has given names to, in files of iproute2.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::Unready;
use crate::config::Named;

/// Where the files are; the first that has a name counts. iproute2 6.3 and later come with theirs
/// below /usr.
const DIRECTORIES: [&str; 3] = ["/etc/iproute2", "/usr/share/iproute2", "/usr/lib/iproute2"];

/// The number behind a name of `file`, such as `rt_tables`.
pub(super) fn resolve<T>(named: &Named<T>, file: &'static str) -> Result<T, Unready>
where
    T: Copy + TryFrom<u32>,
{
    let name = match named {
        Named::Number(number) => return Ok(*number),
        Named::Name(name) => name,
    };
    let number = DIRECTORIES.iter().find_map(|directory| search(Path::new(directory), file, name));
    let number = number.and_then(|number| number.try_into().ok());
    number.ok_or_else(|| Unready::Name { name: name.clone(), file })
}

/// In the file and in those of the directory beside it, `rt_tables.d`.
fn search(directory: &Path, file: &str, name: &str) -> Option<u32> {
    let beside = fs::read_dir(directory.join(format!("{file}.d")));
    let mut more: Vec<PathBuf> =
        beside.into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path())).collect();
    more.retain(|path| path.extension().is_some_and(|extension| extension == "conf"));
    more.sort();
    let files = [directory.join(file)].into_iter().chain(more);
    files.filter_map(|path| fs::read_to_string(path).ok()).find_map(|text| number_of(&text, name))
}

/// The number in a text of lines `NUMBER NAME`; what stands behind `#` does not count.
fn number_of(text: &str, name: &str) -> Option<u32> {
    text.lines().find_map(|line| {
        let mut words = line.split('#').next()?.split_whitespace();
        let number = words.next()?;
        words.next().filter(|word| *word == name)?;
        match number.strip_prefix("0x") {
            Some(digits) => u32::from_str_radix(digits, 16).ok(),
            None => number.parse().ok(),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::testing::TempDir;

    /// keywords `table`, `tos`: names of rt_tables, and the hexadecimal numbers of rt_dsfield.
    #[test]
    fn files_of_names() {
        let temp = TempDir::new("names");
        fs::write(temp.path().join("rt_tables"), "# 7 seven\n254\tmain\n100 blue # a comment\n")
            .unwrap();
        fs::create_dir(temp.path().join("rt_tables.d")).unwrap();
        fs::write(temp.path().join("rt_tables.d/local.conf"), "0x12c red\n").unwrap();
        fs::write(temp.path().join("rt_tables.d/local.bak"), "9 green\n").unwrap();
        let find = |name| search(temp.path(), "rt_tables", name);
        assert_eq!([find("main"), find("blue"), find("red")], [Some(254), Some(100), Some(300)]);
        assert_eq!([find("seven"), find("green"), find("a")], [None; 3]);
    }

    /// keyword `table`: a name that the host does not know is named.
    #[test]
    fn unknown_names() {
        let named: Named<u32> = Named::Name("no such table".to_owned());
        let unready = resolve(&named, "rt_tables").unwrap_err();
        let message = "there is no `no such table` in rt_tables of /etc/iproute2";
        assert_eq!(unready.to_string(), message);
        assert_eq!(resolve(&Named::Number(7_u8), "rt_protos"), Ok(7));
    }
}
