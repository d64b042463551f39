//! Any bytes: no panic, an end, and places inside the file.
#![allow(clippy::unwrap_used, reason = "a test may panic, and so may its helpers")]

use std::{
    fs,
    path::PathBuf,
    time::{Duration, Instant},
};

use vrrp_config::{self as config, Loaded, Memory, Surroundings, Verdict};

/// xorshift64*: the same numbers in every run, so that a failing case can be repeated.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() >> 33).unwrap() % limit.max(1)
    }

    fn byte(&mut self) -> u8 {
        self.next().to_be_bytes()[0]
    }
}

/// What must hold for every input.
fn check(text: &[u8], case: u64) {
    check_loaded(&config::parse("fuzz.conf", text), case);
}

fn check_loaded(loaded: &Loaded, case: u64) {
    assert_eq!(loaded.config.is_none(), loaded.verdict() == Verdict::CannotRun, "case {case}");
    for diagnostic in &loaded.diagnostics {
        let length = loaded.sources.text(diagnostic.span.file).len();
        let (start, end) = (diagnostic.span.start as usize, diagnostic.span.end as usize);
        assert!(start <= end && end <= length, "case {case}: {diagnostic:?}");
        if let Some(origin) = loaded.sources.origin(diagnostic.span) {
            let length = loaded.sources.text(origin.file).len();
            assert!((origin.end as usize) <= length, "case {case}: {origin:?}");
            assert_ne!(loaded.sources.excerpt(origin), "", "case {case}: {diagnostic:?}");
        }
    }
    let drawn = loaded.render(false);
    assert!(loaded.diagnostics.iter().all(|d| drawn.contains(d.code)), "case {case}");
}

fn seeds() -> Vec<Vec<u8>> {
    let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "../tests/data/seeds"].iter().collect();
    let mut paths: Vec<_> =
        fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

/// Design, layer 6: arbitrary bytes, most of them syntax.
#[test]
fn arbitrary_bytes() {
    let syntax = b"{}\"'#!\\\n\n\t  $@~<>|()/.0123456789abce\xe2\x80\x9c\xff\0";
    for case in 1..3000 {
        let mut random = Random(case);
        let text: Vec<u8> = (0..random.below(300))
            .map(|_| {
                if random.below(8) == 0 {
                    random.byte()
                } else {
                    syntax[random.below(syntax.len())]
                }
            })
            .collect();
        check(&text, case);
    }
}

/// Design, layer 6: real files with pieces removed, doubled, moved and overwritten.
#[test]
fn mutated_seeds() {
    let seeds = seeds();
    for case in 1..3000 {
        let mut random = Random(case);
        let mut text = seeds[random.below(seeds.len())].clone();
        for _ in 0..=random.below(6) {
            let from = random.below(text.len());
            let to = (from + random.below(40)).min(text.len());
            match random.below(4) {
                0 => drop(text.drain(from..to)),
                1 => {
                    let piece = text[from..to].to_vec();
                    let at = random.below(text.len());
                    text.splice(at..at, piece);
                }
                2 => text[from..to].iter_mut().for_each(|byte| *byte = byte.rotate_left(1)),
                _ => text.insert(from, b"{}\"'\n#"[random.below(6)]),
            }
            if text.is_empty() {
                break;
            }
        }
        check(&text, case);
    }
}

/// Design, layer 6: arbitrary pieces of the language, in files that include each other.
#[test]
fn arbitrary_language() {
    const PIECES: &[&str] = &[
        "include a.conf",
        "include *.conf",
        "includea {a,b,c}.conf",
        "include_check -match",
        "@me ",
        "@^me ",
        "@x ",
        "$A=",
        "$B= \\\n",
        "$A",
        "${A}",
        "${B}",
        "$B",
        "${_PWD}",
        "${_RANDOM 1 9}",
        "${_ENV X}",
        "${_HASH}",
        "~SEQ(A,1,3) ",
        "~SEQx(B,9,-4,1) ",
        "~LST({A,B},{1,2},{3,4}) ",
        "~LST(A,$B ,x) ",
        "~SEQ(A,",
        "\n",
        "\n",
        "\n",
        " ",
        " ",
        "{",
        "}",
        "\\\n",
        "\\",
        "\"",
        "'",
        "#",
        "x",
        "10.0.0.1",
        "é",
        "\0",
        "vrrp_instance V {\n",
        "virtual_ipaddress {\n",
        "$",
        "${",
        "(",
        ")",
    ];
    for case in 1..3000 {
        let mut random = Random(case);
        let mut text = || -> Vec<u8> {
            (0..random.below(60)).flat_map(|_| PIECES[random.below(PIECES.len())].bytes()).collect()
        };
        let main = text();
        let files = ["a.conf", "b.conf", "c.conf"].map(|name| (PathBuf::from(name), text()));
        let host = Memory { files: files.into(), ..Memory::default() };
        let surroundings = Surroundings { id: "me", host: &host };
        let begin = Instant::now();
        let loaded = config::parse_in("main.conf", &main, surroundings);
        assert!(begin.elapsed() < Duration::from_secs(30), "case {case}: {:?}", begin.elapsed());
        check_loaded(&loaded, case);
    }
}

/// Bounded: much of the worst that one can think of, each in a few seconds even without
/// optimisation.
#[test]
fn large_inputs_end() {
    const SIZE: usize = 1 << 18;
    for (case, unit) in (1..).zip([
        "{",
        "}",
        "a{",
        "a{}",
        "\"",
        "\"\n",
        "${",
        "~(",
        "~SEQ(",
        "a ",
        "a\n",
        "#",
        "\\\n",
        "\\ ",
        "$a ",
        "<a ",
        "\u{201c} ",
        "vrrp_instance a {\n",
        "vrrp_instance a {\nvirtual_ipaddress {\n}\n",
        "vrrp_script a\n",
        "\u{a0}",
        "include {",
        "}\nSMTP_CHECK\n",
        "global_defs {\nrouter_id a\n",
        "@a {\n",
        "priorit 1\n",
        "é",
    ]) {
        let begin = Instant::now();
        let loaded = config::parse("large.conf", unit.repeat(SIZE / unit.len()).as_bytes());
        assert!(loaded.diagnostics.len() <= 1001);
        assert!(loaded.diagnostics.is_empty() || !loaded.render(false).is_empty());
        assert!(
            begin.elapsed() < Duration::from_secs(30),
            "case {case}: {unit:?} took {:?}",
            begin.elapsed()
        );
    }
    assert_eq!(config::parse("huge.conf", &vec![b' '; 9 << 20]).verdict(), Verdict::CannotRun);
}
