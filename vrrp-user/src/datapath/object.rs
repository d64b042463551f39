//! The object file that is built in, and the programs in it.

use std::{collections::BTreeMap, path::PathBuf, thread};

use aya::{
    Ebpf, EbpfLoader,
    maps::{Map, MapData},
    programs::{self, ProgramError, ProgramFd, SchedClassifier, Xdp},
};

use super::{Error, Sizes, pins::Pins, program::Program};

/// The program as `cargo xtask build-ebpf` built it.
static OBJECT: &[u8] = aya::include_bytes_aligned!(env!("XVRRP_BPF_OBJECT"));

/// Maps that programs do not leave to their successors: constants, and the words of their logs.
const OWN_MAPS: [&str; 2] = [".rodata", "AYA_LOGS"];

/// What a program logs.
pub type Logger = aya_log::EbpfLogger<&'static dyn log::Log>;

/// The object, loaded: all its programs are verified.
pub struct Object {
    ebpf: Ebpf,
    has_logger: bool,
}

impl Object {
    /// Loads it with maps of its own that have room for `sizes`.
    pub(super) fn load(sizes: Sizes, verbose: bool) -> Result<Self, Error> {
        Self::load_with(sizes, verbose, &[])
    }

    /// Loads it with the maps that are pinned; all others are its own.
    fn load_with(sizes: Sizes, verbose: bool, pinned: &[(String, PathBuf)]) -> Result<Self, Error> {
        let log_level = if verbose { aya_log::Level::Debug as u8 } else { 0 };
        let mut loader = EbpfLoader::new();
        for (name, entries) in sizes.tables() {
            loader.map_max_entries(name, entries);
        }
        for (name, path) in pinned {
            loader.map_pin_path(name, path);
        }
        loader.override_global(aya_log::LEVEL, &log_level, true);
        let mut ebpf = loader.load(OBJECT)?;
        // The programs refer to their maps by descriptor: they are verified before any is taken.
        verify(&mut ebpf)?;
        Ok(Self { ebpf, has_logger: true })
    }

    pub(super) fn take_map(&mut self, name: &'static str) -> Result<Map, Error> {
        self.ebpf.take_map(name).ok_or(Error::Missing(name))
    }

    pub(super) fn program(&self, program: Program) -> Result<&ProgramFd, Error> {
        let name = program.name();
        Ok(self.ebpf.program(name).ok_or(Error::Missing(name))?.fd()?)
    }

    pub(super) const fn ebpf(&mut self) -> &mut Ebpf {
        &mut self.ebpf
    }

    /// What the programs log; there is one logger, so further calls return `None`.
    pub(super) fn logger(&mut self) -> Option<Result<Logger, aya_log::Error>> {
        std::mem::take(&mut self.has_logger).then(|| aya_log::EbpfLogger::init(&mut self.ebpf))
    }
}

/// What it takes to load the object for maps that are there. The verifier takes a good part of a
/// second, so this is made to be carried out on another thread.
#[derive(Clone, Debug)]
pub struct Recipe {
    maps: BTreeMap<String, u32>,
    sizes: Sizes,
    verbose: bool,
}

impl Recipe {
    /// For the maps with these names and identifiers, as far as they are meant for successors.
    pub(super) fn new(maps: &BTreeMap<String, u32>, sizes: Sizes, verbose: bool) -> Self {
        let mut maps = maps.clone();
        maps.retain(|name, _| !OWN_MAPS.contains(&name.as_str()));
        Self { maps, sizes, verbose }
    }

    /// Loads the object. Blocks until the kernel has verified all programs.
    pub fn load(&self) -> Result<Object, Error> {
        let pins = Pins::new()?;
        let pin = |(name, id): (&'_ String, &u32)| -> Result<_, Error> {
            Ok((name.clone(), pins.pin(name, &MapData::from_id(*id)?)?))
        };
        let pinned: Vec<_> = self.maps.iter().map(pin).collect::<Result<_, _>>()?;
        Object::load_with(self.sizes, self.verbose, &pinned)
    }
}

/// Has the kernel verify all programs, at the same time: the two that see what comes in take it a
/// tenth of a second each, and no virtual router takes part before.
fn verify(ebpf: &mut Ebpf) -> Result<(), Error> {
    let load = |program: &mut programs::Program| -> Result<(), ProgramError> {
        match program {
            programs::Program::Xdp(program) => program.load(),
            program => <&mut SchedClassifier>::try_from(program)?.load(),
        }
    };
    thread::scope(|scope| {
        let loads: Vec<_> =
            ebpf.programs_mut().map(|(_, program)| scope.spawn(move || load(program))).collect();
        for load in loads {
            load.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        }
        Ok(())
    })
}

pub(super) fn xdp(ebpf: &mut Ebpf) -> Result<&mut Xdp, Error> {
    let name = Program::Xdp.name();
    Ok(ebpf.program_mut(name).ok_or(Error::Missing(name))?.try_into()?)
}

pub(super) fn classifier(ebpf: &mut Ebpf, program: Program) -> Result<&mut SchedClassifier, Error> {
    let name = program.name();
    Ok(ebpf.program_mut(name).ok_or(Error::Missing(name))?.try_into()?)
}
