//! Switching single defences off, so that tests can show that each is noticed.

use belljar_harness::Property;

/// The properties that a jar is built without. Empty but in tests and in proofs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Weaken(u32);

impl Weaken {
    /// Nothing is switched off.
    pub const NONE: Self = Self(0);

    /// Switches this one off.
    #[must_use]
    pub const fn and(self, property: Property) -> Self {
        Self(self.0 | 1 << property as u32)
    }

    /// Whether this one is switched off.
    pub const fn has(self, property: Property) -> bool {
        self.0 >> property as u32 & 1 == 1
    }
}
