//! `use_vmac` and the keywords around it: as they are written, and what comes of them.
//!
//! A virtual router with `use_vmac` has its virtual MAC on its own interface. Its addresses on other
//! interfaces have the MACs of these, as in keepalived: no adverts go there that would keep a switch
//! informed of another one. `use_vmac_addr` and the word `use_vmac` behind such an address, which
//! change that, have no counterpart here.

use vrrp_common::{Family, Vrid, wire::Mac};

use super::{
    VirtualMac, address::MAX_NAME, code, diagnostic::Findings, instance::Given, lexer::Word,
    parser::Statement, source::Span,
};

/// The keywords as they are written.
#[derive(Clone, Debug, Default)]
pub(super) struct Draft {
    /// `use_vmac` is there, at `span`.
    wanted: bool,
    span: Span,
    name: Option<String>,
    /// Six octets, or five, to which the VRID is appended.
    mac: Given<Vec<u8>>,
    /// `vmac_xmit_base`.
    pub(super) from_base: Option<Span>,
    /// `use_vmac_addr`.
    pub(super) on_others: Option<Span>,
    /// The word `use_vmac` behind addresses: the line, and whether it names an interface.
    addresses: Vec<(Span, bool)>,
}

/// What the virtual MAC depends on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Context {
    pub(super) vrid: Vrid,
    pub(super) family: Family,
    pub(super) strict: bool,
    pub(super) unicast: bool,
}

impl Draft {
    /// `use_vmac [[name] IF] [MAC] [netlink_notify_msg] [group G]`, in any order.
    pub(super) fn read(&mut self, statement: &Statement, findings: &mut Findings) {
        self.wanted = true;
        self.span = statement.keyword_span();
        let mut rest = statement.arguments();
        while let [word, behind @ ..] = rest {
            rest = match (word.text.as_str(), behind) {
                ("name", [name, behind @ ..]) => {
                    self.set_name(name, findings);
                    behind
                }
                ("group", [_, behind @ ..]) => {
                    report_no_effect(word, findings);
                    behind
                }
                ("netlink_notify_msg", _) => {
                    report_no_effect(word, findings);
                    behind
                }
                (text, _) if text.contains(':') => {
                    self.set_mac(word, findings);
                    behind
                }
                _ => {
                    self.set_name(word, findings);
                    behind
                }
            };
        }
    }

    /// Remembers the word `use_vmac` in the lines of a list of addresses.
    pub(super) fn read_addresses(&mut self, list: &Statement) {
        let has = |line: &Statement, name| line.words.iter().any(|word| word.text == name);
        let lines = list.inner().iter().filter(|line| has(line, "use_vmac"));
        self.addresses.extend(lines.map(|line| (line.span(), has(line, "dev"))));
    }

    fn set_name(&mut self, word: &Word, findings: &mut Findings) {
        let wrong = if self.name.is_some() {
            "there is a name already; this one is ignored"
        } else if word.text.is_empty()
            || word.text.len() > MAX_NAME
            || word.text.contains(|c: char| c == '/' || c.is_whitespace())
        {
            "this is no name of an interface; it is ignored"
        } else {
            self.name = Some(word.text.clone());
            return;
        };
        let message = format!("`use_vmac {}`: {wrong}", word.text);
        findings.report(code::VMAC, word.span, message);
    }

    fn set_mac(&mut self, word: &Word, findings: &mut Findings) {
        let octet = |text: &str| match text.len() {
            1 | 2 => u8::from_str_radix(text, 16).ok(),
            _ => None,
        };
        let octets: Option<Vec<u8>> = word.text.split(':').map(octet).collect();
        let wrong = match octets.as_deref() {
            _ if self.mac.is_some() => "there is a MAC already; this one is ignored",
            Some([first, ..]) if first & 1 != 0 => "this is a multicast address; it is ignored",
            Some([0, 0, 0x5e, 0, 1 | 2, ..]) => {
                "00:00:5e:00:01 and 02 are there without being given; it is ignored"
            }
            Some([0, 0, 0, 0, 0, 0]) => {
                let message = "`use_vmac`: no interface has this MAC";
                findings.report(code::CANNOT_WORK, word.span, message).help("it is ignored");
                return;
            }
            Some([_, _, _, _, _] | [_, _, _, _, _, _]) => {
                self.mac = octets.map(|octets| (octets, word.span));
                return;
            }
            _ => "this is neither a MAC nor its first five octets; it is ignored",
        };
        let message = format!("`use_vmac {}`: {wrong}", word.text);
        findings.report(code::VMAC, word.span, message);
    }

    /// The virtual MAC, `None` without.
    pub(super) fn complete(self, context: Context, findings: &mut Findings) -> Option<VirtualMac> {
        self.check_addresses(findings);
        if let Some(span) = self.from_base.filter(|_| !self.wanted) {
            let message = "`vmac_xmit_base` has no effect without `use_vmac`";
            findings.report(code::VMAC, span, message).help("remove it, or add `use_vmac`");
        }
        if !self.wanted {
            return None;
        }
        Some(VirtualMac {
            adverts_from_base: self.adverts_from_base(context, findings),
            mac: self.mac(context, findings),
            name: self.name,
        })
    }

    fn mac(&self, context: Context, findings: &mut Findings) -> Mac {
        let kind = match context.family {
            Family::V4 => 1,
            Family::V6 => 2,
        };
        let vrid = context.vrid.get();
        let standard = [0, 0, 0x5e, 0, kind, vrid];
        match &self.mac {
            Some((_, span)) if context.strict => {
                let message = "strict mode: the virtual MAC is that of the RFC";
                findings
                    .report(code::STRICT_REPAIR, *span, message)
                    .help("00:00:5e:00:01 and the virtual_router_id, of IPv6 00:00:5e:00:02");
                standard
            }
            Some((octets, _)) => match octets[..] {
                [a, b, c, d, e] => [a, b, c, d, e, vrid],
                [a, b, c, d, e, f] => [a, b, c, d, e, f],
                _ => standard,
            },
            None => standard,
        }
    }

    fn adverts_from_base(&self, context: Context, findings: &mut Findings) -> bool {
        match self.from_base {
            None if context.unicast => {
                let message =
                    "`use_vmac` with unicast peers needs `vmac_xmit_base`; it is switched on";
                findings
                    .report(code::VMAC, self.span, message)
                    .help("adverts leave with the interface's own MAC: write it, too");
                true
            }
            Some(span) if context.strict && !context.unicast => {
                let message =
                    "strict mode: adverts come from the virtual MAC, without vmac_xmit_base";
                findings.report(code::STRICT_REPAIR, span, message).help("the line is ignored");
                false
            }
            given => given.is_some(),
        }
    }

    /// `use_vmac_addr` and `use_vmac` behind addresses.
    fn check_addresses(&self, findings: &mut Findings) {
        for &(span, elsewhere) in &self.addresses {
            let twice = match self.on_others {
                Some(_) => Some("use_vmac_addr"),
                None if self.wanted && !elsewhere => Some("use_vmac of the virtual router"),
                None => None,
            };
            if let Some(other) = twice {
                let message = format!("`use_vmac` of this address stands beside {other}");
                findings.report(code::VMAC, span, message).help("one of them is enough");
            }
        }
        let single = self.addresses.iter().filter(|(_, elsewhere)| *elsewhere || !self.wanted);
        for span in single.map(|(span, _)| *span).chain(self.on_others) {
            let message = "a virtual MAC of single addresses is not implemented yet";
            findings.report(code::NOT_YET, span, message).help(
                "they have the interface's MAC; `use_vmac` is for all on the virtual router's own \
                 interface",
            );
        }
    }
}

/// Words about the interface that keepalived makes, and we do not.
fn report_no_effect(word: &Word, findings: &mut Findings) {
    let message =
        format!("`{}` has no effect: no interface is made for the virtual MAC", word.text);
    findings.report(code::NO_EFFECT, word.span, message);
}
