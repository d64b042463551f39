//! Small BPF programs, put together from instructions (RFC 9669).

use anyhow::{Context, Result};
use object::write::{Object, Symbol, SymbolSection};
use object::{
    Architecture, BinaryFormat, Endianness, SectionKind, SymbolFlags, SymbolKind, SymbolScope,
};

/// One of the program's instructions: opcode, registers, offset, and immediate.
pub(crate) type Instruction = [u8; 8];

/// `op` with destination and source register (RFC 9669 3).
pub(crate) const fn instruction(
    op: u8,
    [destination, source]: [u8; 2],
    offset: i16,
    immediate: i32,
) -> Instruction {
    let ([a, b], [c, d, e, f]) = (offset.to_le_bytes(), immediate.to_le_bytes());
    [op, source << 4 | destination, a, b, c, d, e, f]
}

/// `r0 = value; exit`.
pub(crate) const fn leave_with(value: i32) -> [Instruction; 2] {
    [instruction(0xb7, [0, 0], 0, value), instruction(0x95, [0, 0], 0, 0)]
}

/// An ELF object with programs, each with its section, which tells the type, and its name.
///
/// # Errors
/// It cannot be written.
pub(crate) fn object(programs: &[(&str, &str, &[Instruction])]) -> Result<Vec<u8>> {
    let mut object = Object::new(BinaryFormat::Elf, Architecture::Bpf, Endianness::Little);
    for (section, name, code) in programs {
        let section = object.add_section(Vec::new(), (*section).into(), SectionKind::Text);
        let value = object.append_section_data(section, code.as_flattened(), 8);
        object.add_symbol(Symbol {
            name: (*name).into(),
            value,
            size: code.as_flattened().len() as u64,
            kind: SymbolKind::Text,
            scope: SymbolScope::Dynamic,
            weak: false,
            section: SymbolSection::Section(section),
            flags: SymbolFlags::None,
        });
    }
    object.write().context("cannot make an object with BPF programs")
}
