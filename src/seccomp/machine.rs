//! Runs a filter as the kernel would, to test filters of any machine on any other.

use seccompiler::sock_filter;

/// What a program answers to a call.
pub(super) fn run(program: &[sock_filter], arch: u32, number: u32, args: [u64; 6]) -> u32 {
    let mut data = vec![number, arch, 0, 0];
    data.extend(args.iter().flat_map(|arg| {
        let bytes = arg.to_le_bytes();
        let half = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
        [half(0), half(4)]
    }));
    let (mut at, mut accumulator) = (0, 0);
    loop {
        let step = &program[at];
        at += 1;
        let branch = |holds: bool| usize::from(if holds { step.jt } else { step.jf });
        match step.code {
            0x20 => accumulator = data[step.k as usize / 4],
            0x54 => accumulator &= step.k,
            0x05 => at += step.k as usize,
            0x15 => at += branch(accumulator == step.k),
            0x25 => at += branch(accumulator > step.k),
            0x35 => at += branch(accumulator >= step.k),
            0x06 => return step.k,
            other => panic!("instruction {other:#x} is not part of a filter"),
        }
    }
}
