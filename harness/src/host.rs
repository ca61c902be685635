//! What the host offers, as far as plans and reports need to know it.

use std::fmt;

use serde::Serialize;

/// The facts of the machine that cases run on.
#[derive(Clone, Debug)]
pub struct HostFacts {
    /// The kernel's release, such as `6.18.44`.
    pub kernel: String,
    /// How cgroups are mounted.
    pub cgroup: CgroupLayout,
    /// Whether the caller is an ordinary user.
    pub rootless: bool,
    /// Why a memory ceiling cannot be enforced, if it cannot.
    pub no_memory: Option<Lack>,
    /// Why a swap ceiling cannot be enforced, if it cannot.
    pub no_swap: Option<Lack>,
    /// Why a ceiling on processes cannot be enforced, if it cannot.
    pub no_pids: Option<Lack>,
    /// Why a ceiling on processor time cannot be enforced, if it cannot.
    pub no_cpus: Option<Lack>,
    /// Why the size of the writable layer cannot be bounded, if it cannot.
    pub no_disk: Option<Lack>,
}

/// How cgroups are mounted on the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum CgroupLayout {
    /// Only v1 hierarchies.
    V1,
    /// v1 hierarchies with controllers, and a v2 tree beside them.
    Hybrid,
    /// One v2 tree.
    V2,
    /// None at all.
    None,
}

impl fmt::Display for CgroupLayout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V1 => "v1",
            Self::Hybrid => "hybrid",
            Self::V2 => "v2",
            Self::None => "none",
        })
    }
}

/// Something that the host does not offer, and what would mend it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Lack {
    /// What is missing, as a lowercase fragment: "the memory controller is not delegated to …".
    pub what: String,
    /// What to do: a sentence or a command.
    pub remedy: String,
}

impl fmt::Display for Lack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.what, self.remedy)
    }
}
