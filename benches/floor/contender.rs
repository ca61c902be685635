//! What is measured, and measuring it: everyone in turn, round after round.

use std::error::Error;
use std::time::{Duration, Instant};

/// Whatever goes wrong is told and ends the measurement of that contender.
pub(crate) type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// What a contender is compared as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Floor,
    Ours,
    Peer,
}

/// One way to run a trivial script in a sandbox of its own.
pub(crate) struct Contender<'a> {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    /// Sandboxes of one call.
    pub(crate) batch: u32,
    /// Runs them, from nothing to nothing.
    pub(crate) run: Box<dyn FnMut() -> Result<()> + 'a>,
}

/// The times of one contender per sandbox, in seconds, ascending.
pub(crate) struct Measured {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    times: Vec<f64>,
}

impl Measured {
    /// How many calls were timed.
    pub(crate) fn runs(&self) -> usize {
        self.times.len()
    }

    /// The time that this share of the calls stays under.
    pub(crate) fn quantile(&self, share: f64) -> f64 {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_precision_loss,
            clippy::cast_sign_loss,
            reason = "a share of a short list"
        )]
        let index = ((self.times.len().saturating_sub(1)) as f64 * share).round() as usize;
        self.times.get(index).copied().unwrap_or(f64::NAN)
    }

    /// The median.
    pub(crate) fn median(&self) -> f64 {
        self.quantile(0.5)
    }
}

/// Times every contender once per round, those that run many sandboxes at once in
/// `batches` of the rounds. Gives also who failed, and why.
pub(crate) fn race(
    mut field: Vec<Contender<'_>>,
    rounds: u32,
    batches: u32,
) -> (Vec<Measured>, Vec<(String, String)>) {
    let mut failed = Vec::new();
    // The first call pays for caches, and shows who cannot do it here at all.
    field.retain_mut(|contender| {
        let warm = (contender.run)().and_then(|()| (contender.run)());
        warm.map_err(|e| failed.push((contender.name.clone(), e.to_string()))).is_ok()
    });
    let every = (rounds / batches.max(1)).max(1);
    let mut times: Vec<Vec<f64>> = field.iter().map(|_| Vec::new()).collect();
    let count = field.len();
    for round in 0..rounds as usize {
        // Nobody always follows the same one.
        for turn in 0..count {
            let index = (round + turn) % count;
            let contender = &mut field[index];
            if contender.batch > 1 && round % every as usize != 0 {
                continue;
            }
            let start = Instant::now();
            let done = (contender.run)();
            let time: Duration = start.elapsed();
            match done {
                Ok(()) => times[index].push(time.as_secs_f64() / f64::from(contender.batch)),
                Err(e) => failed.push((contender.name.clone(), format!("in round {round}: {e}"))),
            }
        }
    }
    let measured = field
        .into_iter()
        .zip(times)
        .map(|(contender, mut times)| {
            times.sort_by(f64::total_cmp);
            Measured { name: contender.name, kind: contender.kind, times }
        })
        .collect();
    (measured, failed)
}
