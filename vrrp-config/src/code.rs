//! The kinds of diagnostics. A code never changes its meaning; a retired one is not given again.

use super::diagnostic::{Kind, Severity, Verdict};

/// Reported by keepalived as a configuration error; it repairs or ignores the place and runs.
const fn error(code: &'static str) -> Kind {
    Kind { code, severity: Severity::Error, verdict: Verdict::WouldRun }
}

/// keepalived does not start.
const fn fatal(code: &'static str) -> Kind {
    Kind { code, severity: Severity::Error, verdict: Verdict::CannotRun }
}

/// Hardly meant so, but keepalived says nothing.
const fn warning(code: &'static str) -> Kind {
    Kind { code, severity: Severity::Warning, verdict: Verdict::Clean }
}

const fn not_yet(code: &'static str) -> Kind {
    Kind { code, severity: Severity::NotYet, verdict: Verdict::Clean }
}

const fn hint(code: &'static str) -> Kind {
    Kind { code, severity: Severity::Hint, verdict: Verdict::Clean }
}

// The file and its structure.
pub(super) const UNREADABLE: Kind = fatal("E0001");
pub(super) const TOO_LARGE: Kind = fatal("E0002");
pub(super) const MISSING_PARAMETER: Kind = fatal("E0003");
pub(super) const OPEN_STRING: Kind = error("E0010");
pub(super) const OPEN_BLOCK: Kind = error("E0011");
pub(super) const EXTRA_CLOSE: Kind = error("E0012");
pub(super) const MISSING_OPEN: Kind = error("E0013");
pub(super) const STRAY_BLOCK: Kind = error("E0014");
pub(super) const TOO_DEEP: Kind = error("E0015");
pub(super) const TYPOGRAPHIC: Kind = error("E0016");
pub(super) const PLACEHOLDER: Kind = error("E0017");
pub(super) const UNDEFINED_VARIABLE: Kind = error("E0018");
pub(super) const BYTE_ORDER_MARK: Kind = warning("W0019");

// Words.
pub(super) const UNKNOWN_KEYWORD: Kind = error("E0020");
pub(super) const WRONG_BLOCK: Kind = error("E0021");
pub(super) const MISSING_VALUE: Kind = error("E0022");
pub(super) const MISSING_NAME: Kind = error("E0023");
pub(super) const DEPRECATED: Kind = error("E0024");
pub(super) const EXTRA_WORDS: Kind = warning("W0025");
pub(super) const GIVEN_TWICE: Kind = warning("W0026");
pub(super) const NO_EFFECT: Kind = hint("H0027");
pub(super) const NOT_YET: Kind = not_yet("N0028");
pub(super) const LEFT_OUT: Kind = not_yet("N0029");

// Values.
pub(super) const BAD_NUMBER: Kind = error("E0030");
pub(super) const OUT_OF_RANGE: Kind = error("E0031");
pub(super) const BAD_CHOICE: Kind = error("E0032");
pub(super) const BAD_ADDRESS: Kind = error("E0033");
pub(super) const NOT_MULTICAST: Kind = error("E0034");
pub(super) const NAME_TOO_LONG: Kind = error("E0035");
pub(super) const ROUNDED: Kind = error("E0036");
pub(super) const ZERO_INTERVAL: Kind = error("E0037");
pub(super) const PASSWORD_TOO_LONG: Kind = error("E0038");

// Virtual addresses.
pub(super) const BAD_PREFIX: Kind = error("E0040");
pub(super) const BAD_BROADCAST: Kind = error("E0041");
pub(super) const UNKNOWN_ADDRESS_WORD: Kind = error("E0042");
pub(super) const FAMILY_MISMATCH: Kind = error("E0043");
pub(super) const TOO_MANY_ADDRESSES: Kind = error("E0044");
pub(super) const NO_ADDRESS: Kind = error("E0045");
pub(super) const ADDRESS_TWICE: Kind = warning("W0046");
pub(super) const NOT_FOR_IPV6: Kind = error("E0047");
pub(super) const NOT_LINK_LOCAL: Kind = warning("W0048");
pub(super) const UNKNOWN_PEER_WORD: Kind = error("E0049");

// Instances as a whole.
pub(super) const NO_VRID: Kind = error("E0050");
pub(super) const NO_INTERFACE: Kind = error("E0051");
pub(super) const DUPLICATE_NAME: Kind = error("E0052");
pub(super) const DUPLICATE_VRID: Kind = error("E0053");
pub(super) const AUTH_DROPPED: Kind = error("E0054");
// E0055 was: an authentication that is not implemented.
pub(super) const NOPREEMPT_DROPPED: Kind = error("E0056");
pub(super) const PREEMPT_DELAY_DROPPED: Kind = error("E0057");
pub(super) const STRICT_REPAIR: Kind = error("E0058");
pub(super) const VERSION_CONFLICT: Kind = error("E0059");
pub(super) const AUTH_WITHOUT_TYPE: Kind = warning("W0060");
pub(super) const IPV6_ON_V2: Kind = warning("W0061");
pub(super) const IPV6_AUTH: Kind = warning("W0062");
pub(super) const VMAC: Kind = error("E0063");
pub(super) const CANNOT_WORK: Kind = warning("W0064");
pub(super) const UNICAST: Kind = error("E0065");
pub(super) const AH_MASTER: Kind = error("E0066");
pub(super) const AUTH_HMAC: Kind = error("E0067");
pub(super) const STRICT_REFUSED: Kind = error("E0068");
pub(super) const KEY_READABLE: Kind = warning("W0069");

// References between blocks, and scripts.
pub(super) const UNKNOWN_REFERENCE: Kind = error("E0070");
pub(super) const OWN_INTERFACE: Kind = error("E0071");
pub(super) const EMPTY_GROUP: Kind = error("E0072");
pub(super) const SMALL_GROUP: Kind = error("E0073");
pub(super) const SHELL_SYNTAX: Kind = error("E0074");
pub(super) const SHELL_OPERATOR: Kind = warning("W0075");
pub(super) const SCRIPT_SECURITY: Kind =
    Kind { code: "S0076", severity: Severity::Warning, verdict: Verdict::ScriptSecurity };

pub(super) const TOO_MANY: Kind = warning("W0099");
