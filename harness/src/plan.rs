//! The plan of a run: which cases are selected, and which of them this host can run.

use std::fmt;
use std::time::Duration;

use crate::case::Case;
use crate::host::{HostFacts, Lack};

/// Which cases are wanted. Everything, unless something is written.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// A case is wanted if any of these matches its name.
    pub filters: Vec<Filter>,
    /// A case is wanted if it has any of these tags.
    pub tags: Vec<String>,
}

impl Selection {
    /// Whether `case` is wanted: by its name and by its tags.
    pub fn wants(&self, case: &Case) -> bool {
        let named = self.filters.is_empty() || self.filters.iter().any(|f| f.matches(&case.name));
        let tagged = self.tags.is_empty() || self.tags.iter().any(|tag| case.tags.contains(tag));
        named && tagged
    }
}

/// A pattern for names: `=NAME` is that name, anything else a part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Filter {
    /// The name contains this.
    Part(String),
    /// The name is this.
    Exact(String),
}

impl Filter {
    /// Whether a case of this name is wanted.
    pub fn matches(&self, name: &str) -> bool {
        match self {
            Self::Part(part) => name.contains(part.as_str()),
            Self::Exact(exact) => name == exact,
        }
    }
}

impl std::str::FromStr for Filter {
    type Err = EmptyFilter;

    fn from_str(text: &str) -> Result<Self, EmptyFilter> {
        match text.strip_prefix('=') {
            _ if text.is_empty() || text == "=" => Err(EmptyFilter),
            Some(exact) => Ok(Self::Exact(exact.to_owned())),
            None => Ok(Self::Part(text.to_owned())),
        }
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Part(part) => f.write_str(part),
            Self::Exact(exact) => write!(f, "={exact}"),
        }
    }
}

/// A filter without a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a filter needs a part of a name, or `=` and a whole name")]
pub struct EmptyFilter;

/// How a plan is made.
#[derive(Clone, Debug)]
pub struct PlanOptions {
    /// Which cases are wanted.
    pub selection: Selection,
    /// Whether the caller renounced memory ceilings (`--memory none`): cases that
    /// need one are then skipped where the host cannot enforce it.
    pub memory_none: bool,
    /// Whether a case that is skipped for what the host lacks fails instead.
    pub deny_skips: bool,
    /// Every time-out is multiplied by this.
    pub timeout_scale: TimeoutScale,
}

impl Default for PlanOptions {
    fn default() -> Self {
        Self {
            selection: Selection::default(),
            memory_none: false,
            deny_skips: false,
            timeout_scale: TimeoutScale::ONE,
        }
    }
}

/// A finite factor above zero.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TimeoutScale(f64);

impl TimeoutScale {
    /// Time-outs as they are.
    pub const ONE: Self = Self(1.0);

    /// `timeout` multiplied; what leaves the range of a [`Duration`] is its end.
    pub fn apply(self, timeout: Duration) -> Duration {
        if self == Self::ONE {
            return timeout;
        }
        Duration::try_from_secs_f64(timeout.as_secs_f64() * self.0).unwrap_or(Duration::MAX)
    }
}

impl std::str::FromStr for TimeoutScale {
    type Err = BadScale;

    fn from_str(text: &str) -> Result<Self, BadScale> {
        match text.parse::<f64>() {
            Ok(factor) if factor.is_finite() && factor > 0.0 => Ok(Self(factor)),
            _ => Err(BadScale(text.to_owned())),
        }
    }
}

impl fmt::Display for TimeoutScale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A factor that is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no factor for time-outs: use a number above zero, such as 2 or 0.5")]
pub struct BadScale(String);

/// What is going to happen, in order.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// The selected cases, in the order in which they start.
    pub cases: Vec<Planned>,
    /// How many cases were not selected.
    pub filtered_out: usize,
    /// What a user should know before the run, a line each.
    pub notices: Vec<String>,
}

/// One selected case.
#[derive(Clone, Debug)]
pub struct Planned {
    /// The case, its limits cut to what the host can enforce.
    pub case: Case,
    /// What becomes of it.
    pub decision: Decision,
}

/// What becomes of a selected case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It runs.
    Run,
    /// Its author does not want it to run.
    SkippedByAuthor(String),
    /// The host lacks what it needs, and the caller renounced it.
    SkippedByHost(String),
    /// As before, but skips are denied: it fails without running.
    SkipDenied(String),
    /// The host lacks what it needs: no sandbox can be set up for it.
    Unenforceable(Lack),
}

/// Makes the plan of a run on `host`.
pub fn plan(cases: Vec<Case>, host: &HostFacts, options: &PlanOptions) -> Plan {
    let all = cases.len();
    let mut dropped = Dropped::default();
    let cases: Vec<_> = cases
        .into_iter()
        .filter(|case| options.selection.wants(case))
        .map(|case| decide(case, host, options, &mut dropped))
        .collect();
    Plan { filtered_out: all - cases.len(), cases, notices: dropped.notices(host) }
}

/// Whether what the host lacks could make this case be skipped. If not, there is no
/// need to ask the host before the cases are listed.
pub fn depends_on_host(case: &Case, options: &PlanOptions) -> bool {
    options.memory_none && case.skip.is_none() && needs_memory(case)
}

/// Whether the case cannot do without a memory ceiling.
fn needs_memory(case: &Case) -> bool {
    let memory = case.spec.limits.memory;
    case.expect.oom || (memory.written && memory.value.is_some())
}

fn decide(
    mut case: Case,
    host: &HostFacts,
    options: &PlanOptions,
    dropped: &mut Dropped,
) -> Planned {
    case.spec.timeout = case.spec.timeout.map(|t| options.timeout_scale.apply(t));
    if let Some(reason) = &case.skip {
        let decision = Decision::SkippedByAuthor(reason.clone());
        return Planned { case, decision };
    }
    let decision = ceilings(&mut case, host, options, dropped);
    Planned { case, decision }
}

/// Which defaults were dropped because the host cannot enforce them.
#[derive(Default)]
struct Dropped {
    swap: bool,
    pids: bool,
    cpus: bool,
    disk: bool,
}

impl Dropped {
    fn notices(&self, host: &HostFacts) -> Vec<String> {
        [
            (self.swap, "swap", &host.no_swap),
            (self.pids, "processes (`pids`)", &host.no_pids),
            (self.cpus, "processor time (`cpus`)", &host.no_cpus),
            (self.disk, "the writable layer (`disk`)", &host.no_disk),
        ]
        .into_iter()
        .filter(|(dropped, _, _)| *dropped)
        .filter_map(|(_, what, lack)| {
            lack.as_ref().map(|lack| format!("no default ceiling on {what}: {lack}"))
        })
        .collect()
    }
}

/// Cuts the ceilings of a case to what the host can enforce, or says why it cannot run.
fn ceilings(
    case: &mut Case,
    host: &HostFacts,
    options: &PlanOptions,
    dropped: &mut Dropped,
) -> Decision {
    if let Some(lack) = &host.no_memory {
        let memory = case.spec.limits.memory;
        if needs_memory(case) && options.memory_none {
            let why = format!("needs a memory ceiling, which this host cannot enforce: {lack}");
            return if options.deny_skips {
                Decision::SkipDenied(why)
            } else {
                Decision::SkippedByHost(why)
            };
        }
        if memory.value.is_some() || case.expect.oom {
            return Decision::Unenforceable(Lack {
                what: format!("the memory ceiling cannot be enforced: {}", lack.what),
                remedy: format!(
                    "{}, or renounce memory ceilings with `--memory none`",
                    lack.remedy
                ),
            });
        }
    }

    let limits = &mut case.spec.limits;
    // A ceiling of the host's choice is let go of, one that the case wrote never is.
    macro_rules! keep_or_drop {
        ($key:ident, $lack:expr, $name:literal, $notice:expr) => {
            if let Some(lack) = $lack {
                if limits.$key.value.is_some() {
                    if limits.$key.written {
                        return unenforceable($name, lack);
                    }
                    limits.$key.value = None;
                    dropped.$key = $notice;
                }
            }
        };
    }
    // Without a ceiling on memory nobody misses the one on swap.
    let with_memory = limits.memory.value.is_some();
    keep_or_drop!(swap, &host.no_swap, "swap", dropped.swap || with_memory);
    keep_or_drop!(pids, &host.no_pids, "pids", true);
    keep_or_drop!(cpus, &host.no_cpus, "cpus", true);
    if let Some(lack) = &host.no_disk {
        // The layer always has some size; what an unwritten one comes to is the runner's affair.
        if limits.disk.written {
            return unenforceable("disk", lack);
        }
        dropped.disk = true;
    }
    Decision::Run
}

fn unenforceable(key: &str, lack: &Lack) -> Decision {
    Decision::Unenforceable(Lack {
        what: format!("the case's `{key}` cannot be enforced: {}", lack.what),
        remedy: lack.remedy.clone(),
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Decision, Filter, PlanOptions, Selection, TimeoutScale, depends_on_host, plan};
    use crate::case::Case;
    use crate::host::HostFacts;
    use crate::spec::Asked;
    use crate::testing::{case, host, lack};

    fn no_memory() -> HostFacts {
        HostFacts { no_memory: Some(lack("the memory controller is not delegated")), ..host() }
    }

    fn decision(case: Case, host: &HostFacts, options: &PlanOptions) -> Decision {
        plan(vec![case], host, options).cases.remove(0).decision
    }

    fn memory(value: Asked<Option<u64>>) -> Case {
        let mut case = case("m");
        case.spec.limits.memory = value;
        case
    }

    fn names(selection: Selection, cases: &[Case]) -> Vec<String> {
        let options = PlanOptions { selection, ..PlanOptions::default() };
        let plan = plan(cases.to_vec(), &host(), &options);
        assert_eq!(plan.filtered_out, cases.len() - plan.cases.len());
        plan.cases.into_iter().map(|p| p.case.name).collect()
    }

    #[test]
    fn names_and_tags_select() {
        let mut cases = vec![case("memory::oom"), case("memory::oom-child"), case("net::lo")];
        cases[1].tags = vec!["slow".to_owned()];
        cases[2].tags = vec!["net".to_owned(), "slow".to_owned()];
        let filters = |texts: &[&str]| texts.iter().map(|t| t.parse().unwrap()).collect();
        let by_name = |texts| Selection { filters: filters(texts), tags: Vec::new() };
        assert_eq!(names(Selection::default(), &cases).len(), 3);
        assert_eq!(names(by_name(&["oom"]), &cases), ["memory::oom", "memory::oom-child"]);
        assert_eq!(names(by_name(&["=memory::oom"]), &cases), ["memory::oom"]);
        assert_eq!(names(by_name(&["=oom"]), &cases), [""; 0]);
        assert_eq!(names(by_name(&["net", "child"]), &cases), ["memory::oom-child", "net::lo"]);
        let both = Selection { filters: filters(&["oom"]), tags: vec!["slow".to_owned()] };
        assert_eq!(names(both, &cases), ["memory::oom-child"]);
    }

    #[test]
    fn filters_read_as_they_are_written() {
        assert_eq!("=a".parse(), Ok(Filter::Exact("a".to_owned())));
        assert_eq!("a=b".parse(), Ok(Filter::Part("a=b".to_owned())));
        assert!("".parse::<Filter>().is_err());
        assert!("=".parse::<Filter>().is_err());
        assert_eq!("=a".parse::<Filter>().unwrap().to_string(), "=a");
    }

    #[test]
    fn an_author_s_skip_is_never_denied() {
        let mut case = case("a");
        case.skip = Some("flaky hardware".to_owned());
        let options = PlanOptions { deny_skips: true, ..PlanOptions::default() };
        let skipped = Decision::SkippedByAuthor("flaky hardware".to_owned());
        assert_eq!(decision(case.clone(), &host(), &options), skipped);
        assert_eq!(decision(case, &no_memory(), &options), skipped);
    }

    #[test]
    fn memory_that_cannot_be_enforced_is_an_error_with_a_remedy() {
        for value in [Asked::default_of(Some(1 << 28)), Asked::written(Some(1 << 26))] {
            let got = decision(memory(value), &no_memory(), &PlanOptions::default());
            let Decision::Unenforceable(lack) = got else { panic!("{got:?}") };
            assert!(lack.what.contains("the memory controller is not delegated"), "{lack}");
            assert!(lack.remedy.contains("run `mend it`"), "{lack}");
            assert!(lack.remedy.contains("--memory none"), "{lack}");
        }
    }

    #[test]
    fn without_a_ceiling_asked_for_there_is_nothing_to_enforce() {
        for value in [Asked::default_of(None), Asked::written(None)] {
            let got = decision(memory(value), &no_memory(), &PlanOptions::default());
            assert_eq!(got, Decision::Run);
        }
    }

    #[test]
    fn renounced_memory_skips_by_name_the_cases_that_need_it() {
        let options = PlanOptions { memory_none: true, ..PlanOptions::default() };
        let written = memory(Asked::written(Some(1 << 26)));
        let mut oom = memory(Asked::default_of(None));
        oom.expect.oom = true;
        for case in [written, oom] {
            assert!(depends_on_host(&case, &options));
            let got = decision(case.clone(), &no_memory(), &options);
            let Decision::SkippedByHost(why) = got else { panic!("{got:?}") };
            assert!(why.contains("not delegated"), "{why}");
            let denied = PlanOptions { deny_skips: true, ..options.clone() };
            assert_eq!(decision(case.clone(), &no_memory(), &denied), Decision::SkipDenied(why));
            assert_eq!(decision(case, &host(), &options), Decision::Run);
        }
        let plain = memory(Asked::default_of(None));
        assert!(!depends_on_host(&plain, &options));
        assert_eq!(decision(plain, &no_memory(), &options), Decision::Run);
    }

    #[test]
    fn other_defaults_are_dropped_with_one_line_per_run() {
        let host = HostFacts { no_pids: Some(lack("no pids controller")), ..host() };
        let plan = plan(vec![case("a"), case("b")], &host, &PlanOptions::default());
        assert_eq!(
            plan.notices,
            ["no default ceiling on processes (`pids`): no pids controller; run `mend it`"]
        );
        for planned in plan.cases {
            assert_eq!(planned.decision, Decision::Run);
            assert_eq!(planned.case.spec.limits.pids, Asked::default_of(None));
        }
    }

    #[test]
    fn a_default_that_nobody_asks_for_is_not_dropped() {
        let host = HostFacts { no_cpus: Some(lack("no cpu controller")), ..host() };
        let plan = plan(vec![case("a")], &host, &PlanOptions::default());
        assert_eq!(plan.notices, [""; 0]);
    }

    #[test]
    fn a_written_value_is_never_dropped() {
        let lacks = || Some(lack("no such controller"));
        let host = HostFacts {
            no_swap: lacks(),
            no_pids: lacks(),
            no_cpus: lacks(),
            no_disk: lacks(),
            ..host()
        };
        let with = |change: fn(&mut crate::spec::Limits)| {
            let mut case = case("a");
            change(&mut case.spec.limits);
            decision(case, &host, &PlanOptions::default())
        };
        for (key, got) in [
            ("swap", with(|l| l.swap = Asked::written(Some(0)))),
            ("pids", with(|l| l.pids = Asked::written(Some(9)))),
            ("cpus", with(|l| l.cpus = Asked::written(Some(0.5)))),
            ("disk", with(|l| l.disk = Asked::written(1 << 20))),
        ] {
            let Decision::Unenforceable(lack) = got else { panic!("{key}: {got:?}") };
            assert!(lack.what.starts_with(&format!("the case's `{key}`")), "{lack}");
            assert_eq!(lack.remedy, "run `mend it`");
        }
        assert_eq!(with(|l| l.pids = Asked::written(None)), Decision::Run);
    }

    #[test]
    fn time_outs_are_scaled() {
        let options =
            PlanOptions { timeout_scale: "2.5".parse().unwrap(), ..PlanOptions::default() };
        let plan = plan(vec![case("a")], &host(), &options);
        assert_eq!(plan.cases[0].case.spec.timeout, Some(Duration::from_secs(150)));
        for bad in ["0", "-1", "nan", "inf", "x", ""] {
            assert!(bad.parse::<TimeoutScale>().is_err(), "{bad}");
        }
        let huge: TimeoutScale = "1e300".parse().unwrap();
        assert_eq!(huge.apply(Duration::from_secs(1)), Duration::MAX);
        assert_eq!(TimeoutScale::ONE.apply(Duration::MAX), Duration::MAX);
    }
}
