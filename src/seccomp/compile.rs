//! From policies to one program of classic BPF.
//!
//! seccompiler makes the code that looks at arguments. It knows one ABI to a filter and asks for
//! one number after the other; here the program first goes to the part of its ABI and then finds
//! the number by halving. That is short enough for the kernel to check and translate for every
//! jar without it being noticed.

use seccompiler::{BpfProgram, SeccompAction, sock_filter};

use super::policy::{Answer, Policy};

/// A compiled filter.
#[derive(Debug)]
pub(crate) struct Filter(Box<[sock_filter]>);

impl Filter {
    /// The instructions.
    pub(crate) fn instructions(&self) -> &[sock_filter] {
        &self.0
    }
}

/// The kernel takes no more instructions (`BPF_MAXINSNS`).
const MOST: usize = 4096;

/// Offsets in the `seccomp_data` that a filter looks at.
const NUMBER: u32 = 0;
const ARCH: u32 = 4;

/// Compiles what each ABI is answered; a call by any other ends the process.
pub(crate) fn compile(policies: &[Policy]) -> Result<Filter, seccompiler::BackendError> {
    let mut program = vec![load(ARCH)];
    let sections: Vec<(u32, BpfProgram)> =
        policies.iter().map(|policy| (policy.abi.audit(), section(policy))).collect();
    // Two instructions for each section, and one for who finds none.
    let mut away = 2 * sections.len() + 1;
    for (arch, section) in &sections {
        away -= 2;
        program.push(jump_if(JEQ, *arch, 0, 1));
        program.push(jump(away));
        away += section.len();
    }
    program.push(answer(&SeccompAction::KillProcess));
    program.extend(sections.into_iter().flat_map(|(_, section)| section));
    if program.len() > MOST {
        return Err(seccompiler::BackendError::FilterTooLarge(program.len()));
    }
    Ok(Filter(program.into_boxed_slice()))
}

/// The part of one ABI.
fn section(policy: &Policy) -> BpfProgram {
    let mut ranges: Vec<(u32, Answer)> = Vec::new();
    let mut add = |start: u32, answer: &Answer| {
        if ranges.last().is_none_or(|(_, last)| last != answer) {
            ranges.push((start, answer.clone()));
        }
    };
    let mut next = 0;
    for (number, answer) in &policy.calls {
        if *number > next {
            add(next, &policy.other);
        }
        add(*number, answer);
        next = *number + 1;
    }
    add(next, &policy.other);
    let mut program = vec![load(NUMBER)];
    program.extend(find(&ranges));
    program
}

/// Finds the range that the loaded number is in and gives its answer.
fn find(ranges: &[(u32, Answer)]) -> BpfProgram {
    let (below, above) = ranges.split_at(ranges.len() / 2);
    let Some((start, answer)) = above.first() else { return BpfProgram::new() };
    if below.is_empty() {
        return leaf(answer.clone());
    }
    let left = find(below);
    let mut program = match u8::try_from(left.len()) {
        Ok(distance) => vec![jump_if(JGE, *start, distance, 0)],
        // Only an unconditional jump goes further.
        Err(_) => vec![jump_if(JGE, *start, 0, 1), jump(left.len())],
    };
    program.extend(left);
    program.extend(find(above));
    program
}

fn leaf(call: Answer) -> BpfProgram {
    match call {
        Answer::Always(action) => vec![answer(&action)],
        Answer::When { rules, then, otherwise } => {
            let mut program = BpfProgram::new();
            for rule in rules {
                // A rule that matches runs into the next instruction, another one jumps over it.
                program.extend(BpfProgram::from(rule));
                program.push(answer(&then));
            }
            program.push(answer(&otherwise));
            program
        }
    }
}

// linux/bpf_common.h.
const JEQ: u16 = 0x10;
const JGE: u16 = 0x30;

fn load(offset: u32) -> sock_filter {
    const LOAD_WORD: u16 = 0x20;
    sock_filter { code: LOAD_WORD, jt: 0, jf: 0, k: offset }
}

fn jump_if(test: u16, value: u32, then: u8, otherwise: u8) -> sock_filter {
    const JUMP: u16 = 0x05;
    sock_filter { code: JUMP | test, jt: then, jf: otherwise, k: value }
}

fn jump(distance: usize) -> sock_filter {
    const JUMP_ALWAYS: u16 = 0x05;
    // A distance beyond the longest program is refused together with the program.
    let distance = u32::try_from(distance).unwrap_or(u32::MAX);
    sock_filter { code: JUMP_ALWAYS, jt: 0, jf: 0, k: distance }
}

fn answer(action: &SeccompAction) -> sock_filter {
    const RETURN: u16 = 0x06;
    sock_filter { code: RETURN, jt: 0, jf: 0, k: u32::from(action.clone()) }
}

#[cfg(test)]
mod tests;
