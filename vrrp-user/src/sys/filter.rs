//! Instructions of classic BPF, for `SO_ATTACH_FILTER` (Linux, networking/filter.rst).

use socket2::SockFilter;

/// The whole packet is heard.
pub const ACCEPT: SockFilter = statement(libc::BPF_RET, u32::MAX);
/// Nothing of it is.
pub const IGNORE: SockFilter = statement(libc::BPF_RET, 0);

/// Does what `code` says with `k`.
pub const fn statement(code: u32, k: u32) -> SockFilter {
    SockFilter::new(code as u16, 0, 0, k)
}

/// If the accumulator is `k`, skips `then` instructions, else `otherwise`.
pub const fn jump(k: u32, then: u8, otherwise: u8) -> SockFilter {
    compare(libc::BPF_JEQ, k, then, otherwise)
}

/// The same of another comparison than being equal.
pub const fn compare(how: u32, k: u32, then: u8, otherwise: u8) -> SockFilter {
    SockFilter::new((libc::BPF_JMP | how | libc::BPF_K) as u16, then, otherwise, k)
}
