//! The example configurations, what is changed in them, and the times that follow.

use std::{net::Ipv4Addr, time::Duration};

use anyhow::{Context, Result, bail, ensure};
use rig::{Daemon, active_down_interval};

const MASTER: &str = include_str!("../../../../examples/two-node-master.conf");
const BACKUP: &str = include_str!("../../../../examples/two-node-backup.conf");

/// What the command line changes in the examples.
#[derive(Clone, Copy)]
pub(crate) struct Overrides {
    /// Seconds.
    pub(crate) advert_int: Option<f64>,
    /// 2 or 3.
    pub(crate) version: Option<u8>,
}

/// The configurations that run, and the values in them that the demo needs.
pub(crate) struct Settings {
    master: String,
    backup: String,
    version: u8,
    advert_int: Duration,
    backup_priority: u8,
    vip: Ipv4Addr,
}

impl Settings {
    pub(crate) fn new(overrides: Overrides) -> Result<Self> {
        let version = overrides.version.unwrap_or(2);
        let advert_int = match overrides.advert_int {
            Some(seconds) => seconds,
            None => value(BACKUP, "advert_int")?.parse()?,
        };
        ensure!(
            version == 3 || advert_int.fract() == 0.0,
            "version 2 counts whole seconds: add --version 3 for an interval of {advert_int} s"
        );
        Ok(Self {
            master: adapted(MASTER, overrides),
            backup: adapted(BACKUP, overrides),
            version,
            advert_int: Duration::from_secs_f64(advert_int),
            backup_priority: value(BACKUP, "priority")?.parse()?,
            vip: value_after(BACKUP, "virtual_ipaddress")?.parse()?,
        })
    }

    /// Configuration of the node that becomes MASTER, then of its backup.
    pub(crate) fn configurations(&self) -> [&str; 2] {
        [&self.master, &self.backup]
    }

    pub(crate) fn advert_int(&self) -> Duration {
        self.advert_int
    }

    /// The virtual address.
    pub(crate) fn vip(&self) -> Ipv4Addr {
        self.vip
    }

    /// The backup's Active_Down_Interval.
    pub(crate) fn limit(&self) -> Duration {
        active_down_interval(self.version, self.advert_int, self.backup_priority)
    }

    /// One line for the picture.
    pub(crate) fn summary(&self, daemon: Daemon) -> String {
        let (version, priority) = (self.version, self.backup_priority);
        let interval = self.advert_int.as_secs_f64();
        format!("{daemon}, VRRPv{version}, advert_int {interval} s, backup's priority {priority}")
    }
}

/// A daemon that reads the examples.
pub(crate) fn daemon(name: &str) -> Result<Daemon> {
    match name.parse()? {
        Daemon::Frr => bail!("frr has a configuration of its own: xvrrp or keepalived"),
        daemon => Ok(daemon),
    }
}

/// Seconds as keepalived takes them: 0.01 to 40.95.
pub(crate) fn advert_int(text: &str) -> Result<f64> {
    let seconds: f64 = text.parse()?;
    if !(0.01..=40.95).contains(&seconds) {
        bail!("not within 0.01 to 40.95 seconds");
    }
    Ok(seconds)
}

/// The example with what the command line changes.
fn adapted(example: &str, overrides: Overrides) -> String {
    let mut lines: Vec<String> = Vec::new();
    let mut in_authentication = false;
    for line in example.lines() {
        match (line.split_whitespace().next(), overrides) {
            (Some("advert_int"), Overrides { advert_int: Some(seconds), .. }) => {
                lines.push(format!("    advert_int {seconds}"));
            }
            (Some("virtual_router_id"), Overrides { version: Some(version), .. }) => {
                lines.extend([line.into(), format!("    version {version}")]);
            }
            // Version 3 has none, and a daemon would say so.
            (Some("authentication"), Overrides { version: Some(3), .. }) => {
                in_authentication = true;
            }
            (Some("}"), _) if in_authentication => in_authentication = false,
            _ if in_authentication => {}
            _ => lines.push(line.into()),
        }
    }
    lines.join("\n") + "\n"
}

/// The word behind `keyword` in the example.
fn value<'a>(example: &'a str, keyword: &str) -> Result<&'a str> {
    let words = example.lines().map(str::split_whitespace);
    words
        .filter_map(|mut words| (words.next()? == keyword).then(|| words.next())?)
        .next()
        .with_context(|| format!("the example has no {keyword}"))
}

/// The first word of the line behind `keyword`'s.
fn value_after<'a>(example: &'a str, keyword: &str) -> Result<&'a str> {
    let mut lines = example.lines();
    lines
        .find(|line| line.split_whitespace().next() == Some(keyword))
        .and_then(|_| lines.next()?.split_whitespace().next())
        .with_context(|| format!("the example has no {keyword}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit_ms(advert_int: Option<f64>, version: Option<u8>) -> f64 {
        let settings = Settings::new(Overrides { advert_int, version }).unwrap();
        settings.limit().as_secs_f64() * 1e3
    }

    /// RFC 3768 6.1: three seconds and a skew that does not depend on the interval.
    #[test]
    fn limit_of_version_2() {
        assert_eq!(limit_ms(None, None), 3000.0 + 166_000.0 / 256.0);
        assert_eq!(limit_ms(Some(2.0), None), 6000.0 + 166_000.0 / 256.0);
    }

    /// RFC 9568 6.1: the skew is a part of the interval.
    #[test]
    fn limit_of_version_3() {
        assert!((limit_ms(Some(0.01), Some(3)) - 36.484_375).abs() < 1e-6);
    }

    /// RFC 3768 5.3.7: version 2 has no fractions of a second.
    #[test]
    fn fractions_need_version_3() {
        assert!(Settings::new(Overrides { advert_int: Some(0.5), version: None }).is_err());
    }

    /// Issue 2: without overrides the examples run as they are.
    #[test]
    fn the_examples_are_not_touched_without_need() {
        let overrides = Overrides { advert_int: None, version: None };
        assert_eq!(Settings::new(overrides).unwrap().configurations(), [MASTER, BACKUP]);
        let overrides = Overrides { advert_int: Some(0.1), version: Some(3) };
        let settings = Settings::new(overrides).unwrap();
        for text in settings.configurations() {
            assert!(text.contains("    version 3\n") && text.contains("    advert_int 0.1\n"));
            assert!(!text.contains("auth"));
        }
    }
}
