//! Configurations that are large, or made to be slow to read.

use std::fmt::Write;

/// A mebibyte, the size of each of [`nasty`].
pub const MEBIBYTE: usize = 1 << 20;

/// A file with so many virtual routers, each with so many addresses, spread over interfaces as a
/// virtual_router_id demands: at most 255 on one.
pub fn many(instances: usize, addresses: usize) -> String {
    let mut text = "global_defs {\n    router_id many\n}\n".to_owned();
    for instance in 0..instances {
        let (interface, vrid) = (instance / 255, instance % 255 + 1);
        // Writing to a string does not fail.
        let _ = write!(
            text,
            "\nvrrp_instance VI_{instance} {{\n    state BACKUP\n    interface eth{interface}\n    \
             virtual_router_id {vrid}\n    priority 100\n    advert_int 1\n    virtual_ipaddress {{\n"
        );
        for address in instance * addresses..(instance + 1) * addresses {
            let [_, b, c, d] = u32::try_from(address).unwrap_or(u32::MAX).to_be_bytes();
            let _ = writeln!(text, "        10.{b}.{c}.{d}/8");
        }
        text += "    }\n}\n";
    }
    text
}

/// Something that a file can consist of, over and over.
struct Pattern {
    name: &'static str,
    /// Stands at the beginning, once.
    head: &'static str,
    /// Each [`COUNTER`] in it is another number each time.
    unit: &'static str,
}

/// Stands for a number with as many digits, and a colon so that it can be a part of an address.
const COUNTER: &str = "%%%:%%%";

impl Pattern {
    /// As much of it as goes into a mebibyte.
    fn text(&self) -> String {
        let Self { head, unit, .. } = self;
        let times = (MEBIBYTE - head.len()) / unit.len();
        if !unit.contains(COUNTER) {
            return format!("{head}{}", unit.repeat(times));
        }
        let number = |count| format!("{:03}:{:03}", count / 1000, count % 1000);
        let units = (0..times).map(|count| unit.replace(COUNTER, &number(count)));
        units.fold((*head).to_owned(), |text, unit| text + &unit)
    }
}

const fn pattern(name: &'static str, unit: &'static str) -> Pattern {
    Pattern { name, head: "", unit }
}

const PATTERNS: &[Pattern] = &[
    pattern("open braces", "{"),
    pattern("closed braces", "}"),
    pattern("nested blocks", "a{"),
    pattern("nested blocks, a line each", "vrrp_instance a {\n"),
    pattern("empty blocks", "a{}"),
    pattern("blanks", " "),
    pattern("empty lines", "\n"),
    pattern("lines of CR LF", "\r\n"),
    pattern("one long word", "a"),
    pattern("one line of words", "a "),
    pattern("unknown keywords", "priorit 1\n"),
    pattern("different unknown keywords", "vrrp_instanc\nvirtual_routre_id\nadvert_itn\n"),
    pattern("known keywords", "priority 1\n"),
    pattern("quotes", "\""),
    pattern("apostrophes", "'"),
    pattern("open strings", "\"\n"),
    pattern("escapes in a string", "\"\\x41\\101\\cA\\n\""),
    pattern("comments", "#\n"),
    pattern("one long comment", "#"),
    pattern("continued lines", "\\\n"),
    pattern("backslashes", "\\ "),
    pattern("dollar signs", "$"),
    pattern("open variables", "${"),
    pattern("variables", "${A} "),
    pattern("definitions", "$A=1\n"),
    pattern("definitions that grow", "$A=${A}${A}\n"),
    Pattern {
        name: "uses of a long definition",
        head: "$A=aaaaaaaaaaaaaaaa\\\naaaaaaaa\n",
        unit: "$A\n",
    },
    pattern("sequences", "~SEQ(A,1,100000) a$A\n"),
    pattern("nested sequences", "~SEQ(A,1,99) ~SEQ(B,1,99) ~SEQ(C,1,99) a$A$B$C\n"),
    pattern("open sequences", "~SEQ("),
    pattern("lists", "~LST(A,1,2,3,4,5,6,7,8,9) ~LST(B,1,2,3,4,5,6,7,8,9) $A$B\n"),
    pattern("conditions", "@a "),
    pattern("conditions with blocks", "@a {\n"),
    pattern("includes", "include none-of-that-name\n"),
    pattern(
        "includes with alternatives",
        "include {a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}\n",
    ),
    pattern("includes of itself", "include *.conf\n"),
    pattern("includes of patterns", "include *x\n"),
    pattern("placeholders", "<a> "),
    pattern("typographic quotes", "\u{201c} "),
    pattern("invisible blanks", "\u{a0}"),
    pattern("letters of two bytes", "é"),
    pattern("NUL", "\0"),
    pattern("instances of one name", "vrrp_instance a {\nvirtual_ipaddress {\n}\n}\n"),
    pattern("open instances", "vrrp_instance a {\nvirtual_ipaddress {\n}\n"),
    pattern("scripts without a block", "vrrp_script a\n"),
    pattern("blocks without their brace", "}\nSMTP_CHECK\n"),
    pattern("groups", "vrrp_sync_group a {\ngroup {\na b c d\n}\n}\n"),
    pattern("globals", "global_defs {\nrouter_id a\n}\n"),
    Pattern {
        name: "addresses of one instance",
        head: "vrrp_instance a {\ninterface eth0\nvirtual_router_id 1\nvirtual_ipaddress {\n",
        unit: "10.0.0.1/24 dev eth0 label eth0:a\n",
    },
    Pattern {
        name: "routes of one instance",
        head: "vrrp_instance a {\ninterface eth0\nvirtual_router_id 1\nvirtual_routes {\n",
        unit: "10.0.0.0/8 nexthop via 10.0.0.1 weight 1 nexthop via 10.0.0.2 weight 2\n",
    },
    Pattern {
        name: "trackers of one instance",
        head: "vrrp_instance a {\ninterface eth0\nvirtual_router_id 1\ntrack_script {\n",
        unit: "none weight 5\n",
    },
    Pattern {
        name: "different interfaces of one instance",
        head: "vrrp_instance a {\ninterface eth0\nvirtual_router_id 1\ntrack_interface {\n",
        unit: "e%%%:%%%\n",
    },
    Pattern {
        name: "lists of one interface",
        head: "vrrp_instance a {\ninterface eth0\nvirtual_router_id 1\n",
        unit: "track_interface {\ne%%%:%%%\n}\n",
    },
    Pattern {
        name: "different peers of one instance",
        head: "vrrp_instance a {\ninterface eth0\nvirtual_router_id 1\nunicast_peer {\n",
        unit: "fd00::%%%:%%%\n",
    },
    pattern("different scripts", "vrrp_script s%%%:%%% {\nscript /bin/true\n}\n"),
    pattern("different track files", "track_file f%%%:%%% {\nfile /f\n}\n"),
    pattern("different processes", "vrrp_track_process p%%%:%%% {\nprocess a\n}\n"),
    pattern(
        "scripts and their trackers",
        "vrrp_script s%%%:%%% {\nscript /bin/true\n}\n\
         vrrp_sync_group g%%%:%%% {\ntrack_script {\ns%%%:%%%\n}\n}\n",
    ),
    pattern(
        "different instances and groups",
        "vrrp_instance i%%%:%%% {\ninterface e%%%:%%%\nvirtual_router_id 1\n}\n\
         vrrp_sync_group g%%%:%%% {\ngroup {\ni%%%:%%%\n}\n}\n",
    ),
];

/// Long lines at whose end much happens: what stands in front of the blanks and behind them.
const LONG_LINES: &[(&str, &str, &str)] = &[
    (
        "statements at the end of a long line",
        "vrrp_instance V {\n",
        "~SEQ(N, 1, 110000) accept\n}\n",
    ),
    ("blocks at the end of a long line", "a {\nb {\n", "~SEQ(N,1,45000) } b {\n"),
];

/// Files of a mebibyte, each the worst of its kind that one can think of, with names for them.
pub fn nasty() -> impl Iterator<Item = (&'static str, String)> {
    let repeated = PATTERNS.iter().map(|pattern| (pattern.name, pattern.text()));
    let long = LONG_LINES.iter().map(|(name, head, tail)| {
        let blanks = " ".repeat(MEBIBYTE - head.len() - tail.len());
        (*name, format!("{head}{blanks}{tail}"))
    });
    repeated.chain(long)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Issue 5, limits: no two addresses or virtual routers are the same, and there are as many as
    /// asked for.
    #[test]
    fn many_are_different() {
        let text = many(300, 3);
        let mut addresses: Vec<_> = text.lines().filter(|line| line.ends_with("/8")).collect();
        assert_eq!(addresses.len(), 900);
        addresses.sort_unstable();
        addresses.dedup();
        assert_eq!(addresses.len(), 900);
        assert!(text.contains("interface eth1\n    virtual_router_id 45\n"));
    }

    /// Issue 5, limits: many names, not one of them twice.
    #[test]
    fn counted_names_are_different() {
        let pattern = pattern("names", "vrrp_script s%%%:%%% {\n}\n");
        let text = pattern.text();
        assert!(text.starts_with("vrrp_script s000:000 {\n}\nvrrp_script s000:001 {\n}\n"));
        let names: std::collections::HashSet<_> = text.lines().collect();
        assert_eq!(names.len(), MEBIBYTE / pattern.unit.len() + 1);
    }

    /// Issue 5, limits: a nasty file is as large as it may be, or nearly so.
    #[test]
    fn nasty_files_have_a_mebibyte() {
        for (name, text) in nasty() {
            assert!((MEBIBYTE - 100..=MEBIBYTE).contains(&text.len()), "{name}: {}", text.len());
        }
    }
}
