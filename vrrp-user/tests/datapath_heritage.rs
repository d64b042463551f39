//! What a daemon leaves on the devices, and what the next one makes of it. Needs root and iproute2.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod host_support;

use std::{collections::BTreeMap, path::Path};

use host_support::{in_namespace, ip, running};
use xvrrp::datapath::{Datapath, Heritage, Mode, Owner, Sizes};

/// The owner of all that a test leaves in its namespace.
fn owner() -> Owner {
    Owner::of(Path::new("/run/xvrrp-heritage-test"))
}

/// A daemon that has found this.
fn take_over(heritage: Heritage) -> Datapath {
    let sizes = Sizes { routers: 1, addresses: 1 };
    Datapath::take_over(heritage, owner(), &BTreeMap::new(), sizes, false, false).unwrap()
}

/// Issue 4: a program that cannot be taken off does not keep the others on their devices, and the error
/// says what could not be done.
#[test]
fn removal_goes_on_after_a_failure() {
    in_namespace(async || {
        let mut ends = [running("a").await.index, running("b").await.index];
        ends.sort_unstable();
        let mut last = take_over(Heritage::default());
        for end in ends {
            last.attach(end, &[Mode::Generic]).unwrap();
        }
        let heritage = Heritage::of(owner()).unwrap();
        last.detach(ends[0]);
        let error = heritage.remove(None).unwrap_err().to_string();
        assert!(error.contains("cannot be taken off"), "{error}");
        assert!(Heritage::of(owner()).unwrap().is_empty());
    });
}

/// Issue 4: a program that one daemon has missed does not stay behind that of the next, which would
/// drop what that one answers for.
#[test]
fn a_missed_program_is_found_by_the_next_daemon() {
    in_namespace(async || {
        let device = running("a").await.index;
        for _ in ["the first", "who has missed the first"] {
            let mut daemon = take_over(Heritage::default());
            daemon.attach(device, &[Mode::Tcx]).unwrap();
            daemon.attach_egress(device).unwrap();
        }
        let mut daemon = take_over(Heritage::of(owner()).unwrap());
        daemon.attach(device, &[Mode::Tcx]).unwrap();
        daemon.attach_egress(device).unwrap();
        daemon.settle().unwrap();
        daemon.detach_all();
        assert!(Heritage::of(owner()).unwrap().is_empty());
    });
}

/// Issue 4, keyword `xdp_mode`: where the device did not take the last daemon's first choice, the next one
/// goes on at once with what serves, instead of loading its own program first, and without a gap; so it
/// does where nothing of the last daemon is in egress.
#[test]
fn the_mode_that_serves_is_taken_over_first() {
    in_namespace(async || {
        ip(&["link add link a name c type macvlan mode bridge", "link set dev c up"]);
        let device = running("c").await.index;
        let modes = [Mode::Native, Mode::Generic];
        let mut last = take_over(Heritage::default());
        assert_eq!(
            last.attach(device, &modes).unwrap(),
            Mode::Generic,
            "macvlan has no native mode"
        );
        let mut next = take_over(Heritage::of(owner()).unwrap());
        assert_eq!(next.attach(device, &modes).unwrap(), Mode::Generic);
        assert!(!next.attach_egress(device).unwrap());
        let recipe = next.recipe().expect("the last daemon's program serves");
        next.renew(recipe.load().unwrap());
        assert!(next.attach_egress(device).unwrap());
        assert_eq!(next.attach(device, &[Mode::Tcx]).unwrap(), Mode::Tcx, "another one is wanted");
        next.detach_all();
        assert!(Heritage::of(owner()).unwrap().is_empty());
    });
}
