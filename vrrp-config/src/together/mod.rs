//! Whether the files of a cluster's nodes go together: each may be in order, and still every node
//! becomes MASTER, or none, or nobody takes over.
//!
//! Virtual routers are matched by family and `virtual_router_id`. Each is compared with the one of
//! the first file that has it, so that one odd file is named once for each difference.

mod addresses;
mod election;
mod groups;
mod matching;
mod preference;
mod unicast;

use std::collections::HashSet;

use crate::{
    Config, Diagnostic, Instance, Loaded, Severity, Verdict, code,
    cross::Weights,
    diagnostic::{self, Findings},
    source::{FileId, Shift, Sources, Span},
};

/// What there is to say about several files at once.
#[derive(Clone, Debug)]
pub struct Together {
    /// In the order of the files. What concerns one of them alone is not repeated.
    pub diagnostics: Vec<Diagnostic>,
    /// All of their text, for [`Span`]s.
    pub sources: Sources,
}

impl Together {
    /// [`Verdict::WouldRun`] where the nodes would run, but cannot elect.
    pub fn verdict(&self) -> Verdict {
        diagnostic::worst(&self.diagnostics)
    }

    /// How many diagnostics have a severity.
    pub fn count(&self, severity: Severity) -> usize {
        diagnostic::count(&self.diagnostics, severity)
    }

    /// Draws every diagnostic, as [`Loaded::render`] does.
    pub fn render(&self, color: bool) -> String {
        diagnostic::render(&self.diagnostics, &self.sources, color)
    }
}

/// Compares the configurations of a cluster's nodes. What cannot run is left out.
pub fn together(loaded: &[Loaded]) -> Together {
    let (mut sources, mut findings) = (Sources::default(), Findings::default());
    let moves: Vec<Shift> = loaded.iter().map(|loaded| sources.append(&loaded.sources)).collect();
    let nodes: Vec<Node<'_>> = loaded
        .iter()
        .zip(moves)
        .filter_map(|(loaded, moved)| {
            let config = loaded.config.as_ref()?;
            let weights = Weights::new(config);
            Some(Node { name: loaded.sources.name(FileId(0)), config, weights, moved })
        })
        .collect();
    let routers = matching::routers(&nodes);
    for router in &routers {
        for other in &router.members[1..] {
            let first = &router.members[0];
            election::compare(first, other, &mut findings);
            addresses::compare(first, other, &mut findings);
        }
        unicast::check(router, &mut findings);
        preference::check(router, &mut findings);
    }
    groups::check(&nodes, &routers, &mut findings);
    let named = addresses::report_other_routers(&routers, &mut findings);
    if nodes.len() == loaded.len() {
        report_lonely(&routers, &named, &nodes, &mut findings);
    }
    Together { diagnostics: findings.finish(), sources }
}

/// One file.
struct Node<'a> {
    /// Its name as the user gave it.
    name: &'a str,
    config: &'a Config,
    weights: Weights<'a>,
    /// By how much its spans have moved.
    moved: Shift,
}

impl Node<'_> {
    /// A place of this file among all files.
    fn at(&self, span: impl Into<Span>) -> Span {
        span.into().moved(self.moved)
    }
}

/// A virtual router and the nodes that have it: at least one, each once, in the order of the files.
struct Router<'a> {
    members: Vec<Member<'a>>,
}

/// A virtual router on one node.
#[derive(Clone, Copy)]
struct Member<'a> {
    node: &'a Node<'a>,
    instance: &'a Instance,
}

impl Member<'_> {
    /// A place of its own file among all files.
    fn at(&self, span: impl Into<Span>) -> Span {
        self.node.at(span)
    }

    /// The line of one of these keywords of the virtual router or of `global_defs`, else its name.
    fn line(&self, keywords: &[&str]) -> Span {
        let (own, global) = (&self.instance.places, &self.node.config.global.places);
        let find = |keyword: &&str| own.of(keyword).or_else(|| global.of(keyword));
        self.at(keywords.iter().find_map(find).unwrap_or(self.instance.span.into()))
    }
}

/// A virtual router that one file has and no other.
fn report_lonely(
    routers: &[Router<'_>],
    named: &HashSet<usize>,
    nodes: &[Node<'_>],
    findings: &mut Findings,
) {
    if nodes.len() < 2 {
        return;
    }
    for (index, router) in routers.iter().enumerate() {
        let [only] = router.members[..] else {
            continue;
        };
        if named.contains(&index) {
            continue;
        }
        let Instance { name, vrid, .. } = only.instance;
        let message = format!("`{name}`, virtual router {vrid}, is in {} only", only.node.name);
        findings.report(code::ONE_NODE, only.line(&["virtual_router_id"]), message).help(
            "nobody takes over: write it into the other files, with the same virtual_router_id",
        );
    }
}
