//! Which of our programs is where.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    os::fd::AsFd,
};

use aya::programs::ProgramFd;
use tracing::debug;

use super::{Error, heritage::Remnant, hook::Hook};

/// The hooks that have a program of ours, by device.
#[derive(Default)]
pub(super) struct Places(BTreeMap<(u32, Hook), Tenant>);

/// The program in a hook.
struct Tenant {
    program: ProgramFd,
    standing: Standing,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// The last daemon's, and nobody has asked for one there yet.
    Left,
    /// The last daemon's, which serves until ours is loaded.
    Kept,
    /// Ours.
    Ours,
}

impl Places {
    /// The programs of the last daemon are where they are. Where it had missed one of those before it,
    /// which is behind its own in the hook, that one is taken off.
    pub(super) fn inherit(&mut self, remnants: Vec<Remnant>) {
        for Remnant { ifindex, hook, program } in remnants {
            match self.0.entry((ifindex, hook)) {
                Entry::Vacant(place) => {
                    place.insert(Tenant { program, standing: Standing::Left });
                }
                Entry::Occupied(_) => detach(ifindex, hook, &program),
            }
        }
    }

    /// True when there is one.
    pub(super) fn has(&self, ifindex: u32, hook: Hook) -> bool {
        self.0.contains_key(&(ifindex, hook))
    }

    /// Has `program` in a hook, in place of what the last daemon has left there; this stays without
    /// a program.
    pub(super) fn put(
        &mut self,
        ifindex: u32,
        hook: Hook,
        program: Option<&ProgramFd>,
    ) -> Result<(), Error> {
        match (self.0.entry((ifindex, hook)), program) {
            (Entry::Occupied(mut tenant), None) => tenant.get_mut().standing = Standing::Kept,
            (Entry::Occupied(mut tenant), Some(program)) => {
                tenant.get_mut().replace(ifindex, hook, program)?;
            }
            (Entry::Vacant(_), None) => return Err(Error::Missing("program")),
            (Entry::Vacant(_), Some(program)) => {
                self.make_room(ifindex, hook);
                // A device takes its XDP program along to another network namespace, where nobody can
                // detach it, and brings it back.
                hook.attach(ifindex, program.as_fd())
                    .or_else(|error| {
                        hook.replace(ifindex, program.as_fd(), program.as_fd()).map_err(|_| error)
                    })
                    .map_err(Error::Attach)?;
                let program = program.try_clone()?;
                self.0.insert((ifindex, hook), Tenant { program, standing: Standing::Ours });
            }
        }
        Ok(())
    }

    /// Has our programs wherever the last daemon's are wanted. Returns what went wrong.
    pub(super) fn renew<'a>(
        &mut self,
        program: impl Fn(Hook) -> Result<&'a ProgramFd, Error>,
    ) -> Vec<Error> {
        let mut failed = Vec::new();
        for ((ifindex, hook), tenant) in &mut self.0 {
            if tenant.standing == Standing::Kept
                && let Err(error) =
                    program(*hook).and_then(|program| tenant.replace(*ifindex, *hook, program))
            {
                failed.push(error);
            }
        }
        failed
    }

    /// Empties the other hooks of a device that see what comes in.
    pub(super) fn vacate_others(&mut self, ifindex: u32, chosen: Hook) {
        for hook in Hook::ALL {
            if hook != chosen && hook != Hook::Egress {
                self.empty(ifindex, hook);
            }
        }
    }

    /// Empties the hooks in which nobody wanted what the last daemon has left.
    pub(super) fn vacate_unwanted(&mut self) {
        self.vacate_where(|_, tenant| tenant.standing == Standing::Left);
    }

    /// Empties all hooks of a device.
    pub(super) fn vacate(&mut self, ifindex: u32) {
        self.vacate_where(|device, _| device == ifindex);
    }

    /// Empties all hooks.
    pub(super) fn vacate_all(&mut self) {
        self.vacate_where(|_, _| true);
    }

    fn vacate_where(&mut self, chosen: impl Fn(u32, &Tenant) -> bool) {
        let chosen = self.0.iter().filter(|((ifindex, _), tenant)| chosen(*ifindex, tenant));
        let chosen: Vec<_> = chosen.map(|(place, _)| *place).collect();
        for (ifindex, hook) in chosen {
            self.empty(ifindex, hook);
        }
    }

    /// A device has XDP in one mode only.
    fn make_room(&mut self, ifindex: u32, hook: Hook) {
        match hook {
            Hook::Native => self.empty(ifindex, Hook::Generic),
            Hook::Generic => self.empty(ifindex, Hook::Native),
            Hook::Ingress | Hook::Egress => {}
        }
    }

    fn empty(&mut self, ifindex: u32, hook: Hook) {
        if let Some(tenant) = self.0.remove(&(ifindex, hook)) {
            detach(ifindex, hook, &tenant.program);
        }
    }
}

fn detach(ifindex: u32, hook: Hook, program: &ProgramFd) {
    // The device is gone, or somebody was quicker.
    if let Err(error) = hook.detach(ifindex, program.as_fd()) {
        debug!("no program in {hook:?} of device {ifindex}: {error}");
    }
}

impl Tenant {
    fn replace(&mut self, ifindex: u32, hook: Hook, program: &ProgramFd) -> Result<(), Error> {
        if self.standing != Standing::Ours {
            hook.replace(ifindex, program.as_fd(), self.program.as_fd()).map_err(Error::Attach)?;
            *self = Self { program: program.try_clone()?, standing: Standing::Ours };
        }
        Ok(())
    }
}
