//! Capability sets as bit masks (capabilities(7)).

use belljar_harness::spec::Capabilities;

/// The capabilities asked for, of those that the kernel knows.
pub(crate) fn mask(capabilities: &Capabilities, last: u8) -> u64 {
    let known = all(last);
    let set = |list: &[u8]| list.iter().filter(|c| **c < 64).fold(0, |mask, c| mask | 1_u64 << c);
    known
        & match capabilities {
            Capabilities::Default => set(&Capabilities::DEFAULT),
            Capabilities::None => 0,
            Capabilities::All => known,
            Capabilities::List(list) => set(list),
        }
}

/// Every capability up to `last`.
pub(crate) fn all(last: u8) -> u64 {
    u64::MAX >> (63 - u32::from(last.min(63)))
}

#[cfg(test)]
mod tests {
    use super::{Capabilities, all, mask};

    #[test]
    fn sets_become_masks() {
        assert_eq!(all(40), 0x1ff_ffff_ffff);
        assert_eq!(all(63), u64::MAX);
        // Docker's 00000000a80425fb without bit 27.
        assert_eq!(mask(&Capabilities::Default, 40), 0xa004_25fb);
        assert_eq!(mask(&Capabilities::None, 40), 0);
        assert_eq!(mask(&Capabilities::List(vec![0, 40, 63]), 40), 0x100_0000_0001);
    }
}
