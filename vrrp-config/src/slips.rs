//! Slips of people who know other languages better: what a word that is no value was meant to be.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// What helps against it, where that can be seen; `otherwise` says what holds until then.
pub(super) fn help(text: &str, otherwise: &str) -> String {
    match cure(text) {
        Some(cure) if otherwise.is_empty() => cure,
        Some(cure) => format!("{cure}; {otherwise}"),
        None => otherwise.to_owned(),
    }
}

/// The same, `None` where nothing can be seen.
pub(super) fn cure(text: &str) -> Option<String> {
    if matches!(text, "=" | ":" | "-") {
        return Some(format!("remove the `{text}`"));
    }
    if let Some(sign @ (';' | ',')) = text.chars().next_back() {
        return Some(format!("remove the `{sign}`"));
    }
    if let Ok(both) = text.parse::<SocketAddr>() {
        return Some(format!("write `{} {}`, with a blank", both.ip(), both.port()));
    }
    if text.split_once('-').is_some_and(|(first, _)| first.parse::<IpAddr>().is_ok()) {
        return Some("one address per line".to_owned());
    }
    if let Some(address) = with_zeros(text) {
        return Some(format!("write `{address}`"));
    }
    let unit = text.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
    let is_unit = unit.len() < text.len() && unit.bytes().all(|byte| byte.is_ascii_alphabetic());
    (is_unit && !unit.is_empty()).then(|| "write the number without a unit".to_owned())
}

/// An IPv4 address whose numbers begin with zeros.
fn with_zeros(text: &str) -> Option<Ipv4Addr> {
    if text.parse::<Ipv4Addr>().is_ok() {
        return None;
    }
    let numbers = text.split('.').map(|number| number.parse::<u8>().ok());
    let numbers: Option<Vec<u8>> = numbers.collect();
    <[u8; 4]>::try_from(numbers?).ok().map(Ipv4Addr::from)
}
