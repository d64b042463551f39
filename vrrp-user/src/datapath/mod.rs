//! The kernel side as the controller sees it: loading the program, the slots as shared memory, the
//! tables, attaching to devices, and the fallback to no program at all.

mod attach;
mod error;
mod heritage;
mod hook;
mod object;
mod pins;
mod place;
mod program;
mod rings;
mod slots;

pub use attach::{Attachment, Mode, choose};
pub use error::Error;
pub use heritage::{Heritage, Owner, RouterKey};
pub use object::{Logger, Object, Recipe};
pub use program::{Address, Datapath, Program, Sizes, VirtualMac};
pub use rings::{Adverts, Doorbells, Rejects, Requesters};
pub use slots::{News, Presence, Slot, Slots};
