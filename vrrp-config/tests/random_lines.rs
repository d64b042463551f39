//! Lines of static lists put together at random from the words of real ones.
#![allow(clippy::unwrap_used, reason = "a test may panic, and so may its helpers")]

mod support;

use support::parse;
use vrrp_config::Statics;

const CASES: u64 = 20_000;

/// xorshift64*: the same numbers in every run, so that a failing case can be repeated.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        usize::try_from(self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33).unwrap() % limit.max(1)
    }
}

fn lines(oracle: &str) -> Vec<&str> {
    let cases = oracle.lines().filter(|case| !case.starts_with('#'));
    cases.map(|case| case.split(";;").next().unwrap().splitn(3, ' ').nth(2).unwrap()).collect()
}

/// One of some lines with words taken out, put in and exchanged.
fn mutated<'a>(lines: &[&'a str], words: &[&'a str], random: &mut Random) -> String {
    let mut line: Vec<&str> = lines[random.below(lines.len())].split_whitespace().collect();
    for _ in 0..random.below(4) {
        let at = random.below(line.len());
        let word = words[random.below(words.len())];
        match random.below(4) {
            0 if line.len() > 1 => drop(line.remove(at)),
            1 => line[at] = word,
            _ => line.insert(at, word),
        }
    }
    line.join(" ")
}

/// Issue 5, 3: whatever is read of a random line, written and read again it is the same.
fn check(list: &str, oracle: &str, written: impl Fn(&Statics) -> Vec<String>) {
    let lines = lines(oracle);
    let words: Vec<&str> = lines.iter().flat_map(|line| line.split_whitespace()).collect();
    let read =
        |line: &str| parse(&format!("{list} {{\n{line}\n}}\n")).config.map(|config| config.statics);
    let mut count = 0;
    for case in 1..CASES {
        let line = mutated(&lines, &words, &mut Random(case));
        let Some(statics) = read(&line) else {
            continue;
        };
        for text in written(&statics) {
            let again = read(&text).unwrap();
            assert_eq!(again, statics, "case {case}: {line}\n{text}");
            assert_eq!(written(&again), [text]);
            count += 1;
        }
    }
    assert!(count > 2000, "{count} of {CASES} lines could be read");
}

/// Keywords `static_routes`, issue 5, 3.
#[test]
fn routes() {
    check("static_routes", include_str!("oracle/routes.txt"), |statics| {
        statics.routes.iter().map(ToString::to_string).collect()
    });
}

/// Keywords `static_rules`, issue 5, 3.
#[test]
fn rules() {
    check("static_rules", include_str!("oracle/rules.txt"), |statics| {
        statics.rules.iter().map(ToString::to_string).collect()
    });
}

/// Keywords `static_ipaddress`, issue 5, 3.
#[test]
fn addresses() {
    check("static_ipaddress", include_str!("oracle/addresses.txt"), |statics| {
        statics.addresses.iter().map(ToString::to_string).collect()
    });
}
