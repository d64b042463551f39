//! A generator of frames inside the kernel: BPF_PROG_TEST_RUN with live frames (Linux 5.18).

use std::{
    net::UdpSocket,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use aya::{
    Ebpf,
    programs::{TestRun, TestRunAttrs, TestRunOptions, Xdp, XdpMode},
};
use rig::Node;
use rustix::{
    net::netdevice::name_to_index,
    thread::{CpuSet, sched_setaffinity},
};

use crate::object::{Instruction, instruction, leave_with, object};

/// A frame is sent as often in one call.
const REPEAT: u32 = 64 * 1024;
/// Frames that are sent before those who are to receive them run.
const BATCH: u32 = 64;
/// The generator stays on this processor.
const PROCESSOR: usize = 0;
const NAME: &str = "live";
const XDP_DROP: i32 = 1;
const XDP_PASS: i32 = 2;
const XDP_TX: i32 = 3;

/// Sends `frame` from a node's interface for `time`, as fast as one processor can; returns for how long
/// it did. The receiver's end must have NAPI.
///
/// The program writes each frame anew: the kernel uses the same pages again and again, and whoever
/// answers may do so in place.
///
/// # Errors
/// The kernel has no live frames, or the interface is gone.
pub(crate) fn flood(
    node: &Node,
    interface: &str,
    frame: &[u8],
    time: Duration,
) -> Result<Duration> {
    node.namespace().enter(|| {
        let index = name_to_index(UdpSocket::bind("0.0.0.0:0")?, interface)?;
        let mut ebpf = Ebpf::load(&object(&[("xdp", NAME, &program(frame))])?)?;
        let program: &mut Xdp = ebpf.program_mut(NAME).context("no program")?.try_into()?;
        program.load()?;
        let mut here = CpuSet::new();
        here.set(PROCESSOR);
        sched_setaffinity(None, &here)?;
        let began = Instant::now();
        while began.elapsed() < time {
            program.test_run(TestRunOptions {
                data_in: Some(frame),
                ctx_in: Some(&context(frame.len(), index)),
                repeat: REPEAT,
                attrs: TestRunAttrs::new().xdp_live_frames(BATCH),
                ..TestRunOptions::new()
            })?;
        }
        Ok(began.elapsed())
    })
}

/// Has an XDP program on a node's interface that lets everything through. It is there until the result
/// is dropped.
///
/// # Errors
/// The interface is gone, or has a program.
pub(crate) fn pass_all(node: &Node, interface: &str) -> Result<Ebpf> {
    let mut ebpf = Ebpf::load(&object(&[("xdp", NAME, &leave_with(XDP_PASS))])?)?;
    let program: &mut Xdp = ebpf.program_mut(NAME).context("no program")?.try_into()?;
    program.load()?;
    node.namespace().enter(|| Ok(program.attach(interface, XdpMode::Driver)?))?;
    Ok(ebpf)
}

/// Where a frame in the namespace came from (struct xdp_md of linux/bpf.h).
fn context(length: usize, index: u32) -> Vec<u8> {
    let (data, meta, queue, egress) = (0, 0, 0, 0);
    let words = [data, length as u32, meta, index, queue, egress];
    words.iter().flat_map(|word| word.to_ne_bytes()).collect()
}

/// Writes the frame, whose length is a multiple of 8, and sends it from where it is said to have come
/// in.
fn program(frame: &[u8]) -> Vec<Instruction> {
    let (words, _) = frame.as_chunks::<8>();
    let mut stores = Vec::new();
    for (number, word) in (0_i16..).zip(words) {
        let [low, high] = [&word[..4], &word[4..]]
            .map(|half| half.iter().rev().fold(0_u32, |sum, octet| sum << 8 | u32::from(*octet)));
        stores.extend([
            // r5 = word
            instruction(0x18, [5, 0], 0, low.cast_signed()),
            instruction(0, [0, 0], 0, high.cast_signed()),
            // *(u64 *)(r2 + 8 * number) = r5
            instruction(0x7b, [2, 5], 8 * number, 0),
        ]);
    }
    let send = leave_with(XDP_TX);
    let past = (stores.len() + send.len()) as i16;
    let head = [
        // r2 = data; r3 = data_end
        instruction(0x61, [2, 1], 0, 0),
        instruction(0x61, [3, 1], 4, 0),
        // r4 = r2 + length
        instruction(0xbf, [4, 2], 0, 0),
        instruction(0x07, [4, 0], 0, frame.len() as i32),
        // if r4 > r3, leave
        instruction(0x2d, [4, 3], past, 0),
    ];
    [&head[..], &stores, &send, &leave_with(XDP_DROP)].concat()
}
