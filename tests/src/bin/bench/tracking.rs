//! Web servers that are tracked, and killed.

use anyhow::Result;
use rig::{
    Daemon,
    web::{Policy, Server, Service},
};

use crate::{
    Scale,
    in_turn::{self, Figure, Figures},
    quiet::watched,
    result::Section,
};

const TEXT: &str = "nginx and HAProxy run on two hosts behind the virtual address of the seed \
`nginx-failover.conf` (VRRPv2, an advert each second); nginx is tested by a script with curl each second, \
HAProxy is a tracked process. The one on the MASTER is killed with SIGKILL, and started again when the \
other host serves. A client runs curl in a loop; the time is from the end of the last one that had a page \
to that of the next one. The limit is interval x fall + 3 x advert_int + skew + 100 ms; with nopreempt on \
the preferred host alone the address stays, with nopreempt on both it does so, too, and weight 0 makes \
FAULT of a failure. keepalived tracks no processes in a network namespace: the kernel's process connector \
speaks to the first one only.";
const FIGURES: [Figure; 3] = [
    ("Longest time without a page after the kill", "ms"),
    ("The same over the limit", "ms"),
    ("Longest time without a page after the start", "ms"),
];

/// Both daemons with each server and each policy.
///
/// # Errors
/// A lab cannot be made, or the address does not move as it should.
pub(crate) fn measure(scale: Scale) -> Result<Section> {
    let mut tables = in_turn::tables(FIGURES, false);
    for server in [Server::Nginx, Server::Haproxy] {
        for policy in Policy::ALL {
            let work = format!("{server}, {policy}");
            in_turn::measure(&mut tables, ("tracking", &work), scale.pick(1, 5), |daemon, _| {
                watched(|| one(daemon, server, policy))
            })?;
        }
    }
    Ok(Section {
        name: "tracking",
        title: "Tracked web servers",
        text: TEXT.into(),
        tables: tables.into(),
    })
}

fn one(daemon: Daemon, server: Server, policy: Policy) -> Result<Figures<{ FIGURES.len() }>> {
    if (daemon, server) == (Daemon::Keepalived, Server::Haproxy) {
        return Ok([None; FIGURES.len()]);
    }
    let mut service = Service::start(daemon, server, policy)?;
    let failed = service.fail()?;
    let mended = service.mend(policy)?;
    let ms = |time: std::time::Duration| time.as_secs_f64() * 1e3;
    let figures = [ms(failed), ms(failed) - ms(Service::limit(server)), ms(mended)];
    Ok(figures.map(Some))
}
