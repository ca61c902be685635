//! The ways into the kernel, each with its own numbers.

use syscalls::{aarch64, arm, x86, x86_64};

/// One set of system call numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Abi {
    /// x86-64. x32 goes by the same name in the kernel, with bit 30 set in its numbers.
    X86_64,
    /// 32-bit x86, also `int 0x80` in a 64-bit program.
    I386,
    /// 64-bit ARM.
    Aarch64,
    /// 32-bit ARM (EABI).
    Arm,
}

/// Numbers of ARM's own calls, which are in no table: `breakpoint`, `cacheflush` and `set_tls`
/// (`arch/arm/include/uapi/asm/unistd.h`).
const ARM_PRIVATE: [(&str, u32); 3] =
    [("breakpoint", 0xf_0001), ("cacheflush", 0xf_0002), ("set_tls", 0xf_0005)];

impl Abi {
    /// The ways into this machine's kernel, the usual one first.
    pub(crate) const fn of_this_machine() -> &'static [Self] {
        if cfg!(target_arch = "aarch64") {
            &[Self::Aarch64, Self::Arm]
        } else {
            &[Self::X86_64, Self::I386]
        }
    }

    /// How the kernel names it to a filter (`AUDIT_ARCH_*`, `linux/audit.h`).
    pub(crate) const fn audit(self) -> u32 {
        const BITS_64: u32 = 0x8000_0000;
        const LITTLE_ENDIAN: u32 = 0x4000_0000;
        match self {
            Self::X86_64 => 0x3e | BITS_64 | LITTLE_ENDIAN,
            Self::I386 => 0x3 | LITTLE_ENDIAN,
            Self::Aarch64 => 0xb7 | BITS_64 | LITTLE_ENDIAN,
            Self::Arm => 0x28 | LITTLE_ENDIAN,
        }
    }

    /// The number of a call; `None` where this ABI does not have it.
    pub(crate) fn number(self, name: &str) -> Option<u32> {
        let number = match self {
            Self::X86_64 => name.parse::<x86_64::Sysno>().ok()?.id(),
            Self::I386 => name.parse::<x86::Sysno>().ok()?.id(),
            Self::Aarch64 => name.parse::<aarch64::Sysno>().ok()?.id(),
            Self::Arm => match name.parse::<arm::Sysno>() {
                Ok(known) => known.id(),
                Err(()) => return ARM_PRIVATE.iter().find(|(n, _)| *n == name).map(|(_, n)| *n),
            },
        };
        u32::try_from(number).ok()
    }

    /// Every number that has a name here.
    pub(crate) fn known(self) -> Vec<u32> {
        let (last, known): (i32, fn(usize) -> bool) = match self {
            Self::X86_64 => (x86_64::Sysno::last().id(), |n| x86_64::Sysno::new(n).is_some()),
            Self::I386 => (x86::Sysno::last().id(), |n| x86::Sysno::new(n).is_some()),
            Self::Aarch64 => (aarch64::Sysno::last().id(), |n| aarch64::Sysno::new(n).is_some()),
            Self::Arm => (arm::Sysno::last().id(), |n| arm::Sysno::new(n).is_some()),
        };
        (0..=last.unsigned_abs()).filter(|n| known(*n as usize)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::Abi;

    #[test]
    fn numbers_are_those_of_the_abi() {
        let of = |name| {
            [Abi::X86_64, Abi::I386, Abi::Aarch64, Abi::Arm].map(|abi: Abi| abi.number(name))
        };
        assert_eq!(of("read"), [Some(0), Some(3), Some(63), Some(3)]);
        assert_eq!(of("socketcall"), [None, Some(102), None, None]);
        assert_eq!(of("set_tls"), [None, None, None, Some(0xf_0005)]);
        assert!(Abi::X86_64.known().contains(&469) && !Abi::X86_64.known().contains(&400));
    }
}
