//! Names that one block uses and another defines.
//!
//! Trackers are known below their definition only, as in keepalived; members of groups anywhere. A
//! block counts as defined even if it has mistakes: these have been reported.

use std::collections::HashMap;

use super::{
    code,
    diagnostic::Findings,
    keywords::{self, Block},
    lexer::Word,
    parser::Statement,
    values,
};

/// What has a name and can be referred to, or refers to others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    Script,
    Process,
    File,
    Bfd,
    Instance,
    SyncGroup,
}

impl Kind {
    /// What a block outside of all others defines, whether or not the audit has seen it.
    pub(super) fn of(keyword: &str) -> Option<Self> {
        Some(match keywords::find(Block::Root, keyword)?.row.name {
            "vrrp_script" => Self::Script,
            "vrrp_track_process" => Self::Process,
            "track_file" => Self::File,
            "bfd_instance" => Self::Bfd,
            "vrrp_instance" => Self::Instance,
            "vrrp_sync_group" => Self::SyncGroup,
            _ => return None,
        })
    }

    /// The keyword of its block.
    pub(super) const fn keyword(self) -> &'static str {
        match self {
            Self::Script => "vrrp_script",
            Self::Process => "vrrp_track_process",
            Self::File => "track_file",
            Self::Bfd => "bfd_instance",
            Self::Instance => "vrrp_instance",
            Self::SyncGroup => "vrrp_sync_group",
        }
    }

    /// The line without which the block defines nothing, where there is one.
    pub(super) const fn essence(self) -> Option<&'static str> {
        match self {
            Self::Script => Some("script"),
            Self::Process => Some("process"),
            Self::File => Some("file"),
            Self::Bfd | Self::Instance | Self::SyncGroup => None,
        }
    }
}

/// Every name that the file gives to something, from the tree as it was written.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// Where each stands, counted in blocks.
    first: HashMap<(Kind, String), usize>,
}

impl Names {
    /// Collects the names, and reports blocks that define nothing.
    pub(super) fn collect(tree: &[Statement], findings: &mut Findings) -> Self {
        let mut names = Self::default();
        for (index, block) in tree.iter().enumerate() {
            let (Some(kind), Some(name)) = (Kind::of(block.keyword()), values::argument(block))
            else {
                continue;
            };
            names.first.entry((kind, name.text.clone())).or_insert(index);
            let defines =
                |essence: &str| block.inner().iter().any(|line| line.keyword() == essence);
            if let Some(essence) = kind.essence().filter(|essence| !defines(essence)) {
                let message = format!("`{}` has no `{essence}` and is removed", name.text);
                findings.report(code::MISSING_VALUE, block.span(), message);
            }
        }
        names
    }

    /// True if `word`, in a list of `user`, names something of this kind. If not, it is reported.
    pub(super) fn is_known(
        &self,
        word: &Word,
        kind: Kind,
        list: &str,
        user: (Kind, &str),
        findings: &mut Findings,
    ) -> bool {
        let name = &word.text;
        let at = |kind, name: &str| self.first.get(&(kind, name.to_owned())).copied();
        let (message, help) = match (at(kind, name), at(user.0, user.1)) {
            (Some(defined), Some(used)) if kind != Kind::Instance && used < defined => (
                format!("`{name}` in {list}: `{} {name}` stands below", kind.keyword()),
                "the line is ignored, as keepalived reads from top to bottom: move the block up",
            ),
            (Some(_), _) => return true,
            // Reported as a variable or a placeholder.
            (None, _) if name.starts_with(['$', '<']) => return false,
            (None, _) => (
                format!("`{name}` in {list}: there is no `{} {name}` in this file", kind.keyword()),
                "the line is ignored",
            ),
        };
        findings.report(code::UNKNOWN_REFERENCE, word.span, message).help(help);
        false
    }
}
