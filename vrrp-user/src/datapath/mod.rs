//! The kernel side as the controller sees it: loading the program, the slots as shared memory, the
//! tables, attaching to devices, and the fallback to no program at all.

mod attach;
mod program;
mod slots;

pub use attach::{Attachment, Mode, choose};
pub use program::{
    Address, Adverts, Datapath, Doorbells, Error, Program, Rejects, Requesters, Sizes, VirtualMac,
};
pub use slots::{News, Slot, Slots};
