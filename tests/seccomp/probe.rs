//! Executables that make one system call and exit with its error, or 0.

use std::arch::global_asm;
use std::fmt;

/// Where an executable is loaded.
const BASE: u64 = 0x40_0000;
/// The size of its one page of everything.
const SIZE: usize = 4096;
/// The number and the arguments in it, seven words of 8 bytes. The code below has it as well.
const TABLE: usize = 0xe00;
/// Memory in it that a call may write to.
pub(crate) const SCRATCH: u64 = BASE + 0xf00;

/// A way into the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Door {
    /// The usual one.
    Native,
    /// 64-bit registers and 32-bit pointers.
    X32,
    /// The one of 32-bit programs.
    Int80,
}

impl Door {
    /// Those that a kernel for this machine could have.
    #[cfg(target_arch = "x86_64")]
    pub(crate) const ALL: [Self; 3] = [Self::Native, Self::X32, Self::Int80];
    /// Those that a kernel for this machine could have.
    #[cfg(not(target_arch = "x86_64"))]
    pub(crate) const ALL: [Self; 1] = [Self::Native];
}

/// One system call.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    door: Door,
    /// Its name.
    pub(crate) name: &'static str,
    number: u64,
    args: [u64; 6],
}

impl Call {
    /// A call by name.
    pub(crate) fn new(door: Door, name: &'static str, args: [u64; 6]) -> Self {
        let native = || name.parse::<syscalls::Sysno>().unwrap().id();
        let number = match door {
            Door::Native => native(),
            Door::X32 => native() | 0x4000_0000,
            Door::Int80 => name.parse::<syscalls::x86::Sysno>().unwrap().id(),
        };
        Self { door, name, number: u64::from(number.unsigned_abs()), args }
    }

    /// A call that has no name.
    pub(crate) fn numbered(door: Door, number: u64) -> Self {
        Self { door, name: "unknown", number, args: [0; 6] }
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:?}.{:x}.{:x}", self.name, self.door, self.args[0], self.args[1])
    }
}

// Each loads the number and the arguments from the table, makes the call, and exits with 0 or the
// error. The copies are never run in this process.
#[cfg(target_arch = "x86_64")]
global_asm!(
    ".pushsection .rodata",
    ".globl belljar_probe, belljar_probe_end, belljar_probe_32, belljar_probe_32_end",
    "belljar_probe:",
    "mov ebx, 0x400e00",
    "mov rax, [rbx]",
    "mov rdi, [rbx + 8]",
    "mov rsi, [rbx + 16]",
    "mov rdx, [rbx + 24]",
    "mov r10, [rbx + 32]",
    "mov r8, [rbx + 40]",
    "mov r9, [rbx + 48]",
    "syscall",
    "xor edi, edi",
    "test rax, rax",
    "jns 3f",
    "sub edi, eax",
    "3: mov eax, 231",
    "syscall",
    "belljar_probe_end:",
    ".code32",
    "belljar_probe_32:",
    "mov ebp, 0x400e00",
    "mov eax, [ebp]",
    "mov ebx, [ebp + 8]",
    "mov ecx, [ebp + 16]",
    "mov edx, [ebp + 24]",
    "mov esi, [ebp + 32]",
    "mov edi, [ebp + 40]",
    "mov ebp, [ebp + 48]",
    "int 0x80",
    "xor ebx, ebx",
    "test eax, eax",
    "jns 6f",
    "sub ebx, eax",
    "6: mov eax, 252",
    "int 0x80",
    "belljar_probe_32_end:",
    ".code64",
    ".popsection",
);

#[cfg(target_arch = "aarch64")]
global_asm!(
    ".pushsection .rodata",
    ".globl belljar_probe, belljar_probe_end",
    "belljar_probe:",
    "mov x9, 0x400000",
    "add x9, x9, 0xe00",
    "ldp x8, x0, [x9]",
    "ldp x1, x2, [x9, 16]",
    "ldp x3, x4, [x9, 32]",
    "ldr x5, [x9, 48]",
    "svc 0",
    "cmp x0, 0",
    "csneg x0, xzr, x0, ge",
    "mov x8, 94",
    "svc 0",
    "belljar_probe_end:",
    ".popsection",
);

unsafe extern "C" {
    static belljar_probe: u8;
    static belljar_probe_end: u8;
    #[cfg(target_arch = "x86_64")]
    static belljar_probe_32: u8;
    #[cfg(target_arch = "x86_64")]
    static belljar_probe_32_end: u8;
}

fn code(door: Door) -> Vec<u8> {
    let (start, end) = match door {
        #[cfg(target_arch = "x86_64")]
        Door::Int80 => (&raw const belljar_probe_32, &raw const belljar_probe_32_end),
        _ => (&raw const belljar_probe, &raw const belljar_probe_end),
    };
    let len = end as usize - start as usize;
    // SAFETY: the labels enclose bytes of this program's read-only data.
    unsafe { std::slice::from_raw_parts(start, len) }.to_vec()
}

/// A static ELF file of one segment that makes the call (elf(5)).
pub(crate) fn executable(call: &Call) -> Vec<u8> {
    let wide = call.door != Door::Int80;
    let machine: u16 = match call.door {
        Door::Int80 => 3,
        _ if cfg!(target_arch = "aarch64") => 183,
        _ => 62,
    };
    let (header, segment): (u16, u16) = if wide { (64, 56) } else { (52, 32) };
    let start = u64::from(header + segment).next_multiple_of(16);
    let mut file = b"\x7fELF".to_vec();
    file.extend([if wide { 2 } else { 1 }, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    let half = |file: &mut Vec<u8>, value: u16| file.extend(value.to_le_bytes());
    let word = |file: &mut Vec<u8>, value: u32| file.extend(value.to_le_bytes());
    let address = |file: &mut Vec<u8>, value: u64| {
        file.extend(&value.to_le_bytes()[..if wide { 8 } else { 4 }]);
    };
    // Type, machine, version, entry, segments, sections, flags, sizes.
    half(&mut file, 2);
    half(&mut file, machine);
    word(&mut file, 1);
    address(&mut file, BASE + start);
    address(&mut file, u64::from(header));
    address(&mut file, 0);
    word(&mut file, 0);
    for value in [header, segment, 1, 0, 0, 0] {
        half(&mut file, value);
    }
    // Loadable; readable, writable and executable, because the call may write to it.
    let (load, flags) = (1, 7);
    word(&mut file, load);
    if wide {
        word(&mut file, flags);
    }
    for value in [0, BASE, BASE, SIZE as u64, SIZE as u64] {
        address(&mut file, value);
    }
    if !wide {
        word(&mut file, flags);
    }
    address(&mut file, SIZE as u64);
    assert_eq!(file.len(), usize::from(header + segment));
    file.resize(usize::try_from(start).unwrap(), 0);
    file.extend(code(call.door));
    assert!(file.len() < TABLE);
    file.resize(TABLE, 0);
    file.extend(call.number.to_le_bytes());
    file.extend(call.args.iter().flat_map(|arg| arg.to_le_bytes()));
    file.resize(SIZE, 0);
    file
}
