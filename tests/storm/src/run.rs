//! One run of a scenario, from the start of its servers to the verdict.

use std::{
    fmt,
    path::PathBuf,
    thread,
    time::{Duration, Instant},
};

use crate::{
    Result,
    arena::Arena,
    clock::now,
    crew::Crew,
    history::History,
    judge::Judge,
    oracle::{Oracle, Tally},
    pace::Pace,
    scenario::{Bound, Failing, Scenario, Storm},
    verify::{Cells, Truth, verify},
    worker::Work,
};

const REPORT_EVERY: Duration = Duration::from_secs(10);

/// How long a run lasts, and how much there is of everything.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The program `storm`, which is a worker as well.
    pub program: PathBuf,
    /// How many processes read and write.
    pub n_workers: usize,
    /// How many threads each of them has.
    pub n_threads: u8,
    /// How long they do, at least. Starting servers and the verdict come on top.
    pub time: Option<Duration>,
    /// How many operations there are to be, at least.
    pub n_operations: Option<u64>,
    /// What the load and the faults are drawn from. Other processes run at their own pace: the same seed is not the same history.
    pub seed: u64,
    /// Where the history of a run that fails is kept, in a folder of its own.
    pub folder: PathBuf,
    /// Whether to say every ten seconds how far it has come.
    pub tells_progress: bool,
}

/// What came of a run.
#[derive(Debug)]
pub struct Report {
    name: &'static str,
    bound: Bound,
    n_faults: u64,
    n_struck: u64,
    is_near: bool,
    time: Duration,
    tally: Tally,
    cells: Cells,
    complaints: Vec<String>,
    /// Where the history of a run that failed is.
    kept: Option<PathBuf>,
}

/// Runs a scenario.
///
/// Takes the time of the plan and some five seconds more.
///
/// # Errors
/// A server does not start or does not come back, or a worker ends by itself. That something was out of bounds is no error but
/// in the report.
pub fn run(scenario: &Scenario, plan: &Plan) -> Result<Report> {
    let arena = Arena::start(&scenario.setting)?;
    let started = Instant::now();
    let pace = Pace::new(plan.time, plan.n_operations);
    let history = History::new(&plan.folder.join(format!("{}-{}", scenario.name, std::process::id())))?;
    let log = history.file("workers.log")?;
    let (judge, feed) =
        Judge::start(Oracle::new(&Arena::first_versions(), scenario.setting.cache.may_be_old()), history, pace.clone());
    let work = Work { site: arena.site(), n_threads: plan.n_threads, seed: plan.seed };
    let crew = Crew::new(plan.program.clone(), work, plan.n_workers, feed, log);
    let dice = fastrand::Rng::with_seed(plan.seed);
    let mut storm = Storm { arena, crew, pace: pace.clone(), dice, n_faults: 0, n_struck: 0, replica: None };
    storm.crew.start_all()?;
    if plan.tells_progress {
        tell_progress(scenario.name, pace.clone());
    }
    let disturbed = storm.rage(scenario).inspect_err(|_| pace.give_up());
    pace.wait_for_the_end();
    let is_stuck = pace.is_stuck();
    let Storm { arena, crew, n_faults, n_struck, .. } = storm;
    let mut complaints: Vec<String> =
        disturbed.err().into_iter().map(|error| format!("the faults failed: {error}")).collect();
    complaints.extend(is_stuck.then(|| "nothing was done for a minute".to_owned()));
    complaints.extend(crew.dismiss().err().map(|error| error.to_string()));
    let time = started.elapsed();
    let (mut oracle, history) = judge.end()?;
    arena.wait_until_well()?;
    let site = arena.site();
    let truth = Truth::of(&site)?;
    oracle.database(now(), &truth.versions());
    let cells = verify(&site, &truth)?;
    let tally = oracle.into_tally();
    let mut report = Report {
        name: scenario.name,
        bound: scenario.bound,
        n_faults,
        n_struck,
        is_near: scenario.setting.cache.keeps_near(),
        time,
        tally,
        cells,
        complaints,
        kept: None,
    };
    report.complaints.extend(report.judge(scenario));
    if report.complaints.is_empty() {
        history.forget()?;
    } else {
        report.kept = Some(history.keep(&report.in_full())?);
    }
    Ok(report)
}

fn tell_progress(name: &'static str, pace: Pace) {
    // Ends with the run, or with the process.
    thread::spawn(move || {
        let mut n_before = 0;
        while pace.wait(REPORT_EVERY) {
            let n_done = pace.n_done();
            eprintln!("# {name}: {n_done} operations, {} a second", (n_done - n_before) / REPORT_EVERY.as_secs());
            n_before = n_done;
        }
    });
}

const NO_HITS: &str = "no read was answered by a cache";
const FEW_NEAR: &str = "too few reads were answered near";
const NOTHING_BROKEN: &str = "nothing was broken";
const NOBODY_HIT: &str = "what was broken has hit nobody";
const NOTHING_STALE: &str = "nothing stale was read, where it should have been";
const NOTHING_MISSED: &str = "no own write was missed, where it should have been";

/// What is wrong with a run that shows nothing.
const TOO_LITTLE: [&str; 6] = [NO_HITS, FEW_NEAR, NOTHING_BROKEN, NOBODY_HIT, NOTHING_STALE, NOTHING_MISSED];

impl Report {
    /// Whether everything was within its bound.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.complaints.is_empty()
    }

    /// Whether nothing was out of its bound, and too little happened to show that: on a busy machine, by chance.
    #[must_use]
    pub fn says_too_little(&self) -> bool {
        !self.is_good() && self.complaints.iter().all(|complaint| TOO_LITTLE.contains(&complaint.as_str()))
    }

    /// How many operations there were.
    #[must_use]
    pub fn n_operations(&self) -> u64 {
        self.tally.n_operations()
    }

    fn judge(&self, scenario: &Scenario) -> Vec<String> {
        let Tally { n_stale, stalest, n_missed, n_backward, n_uncommitted, n_lost, .. } = self.tally;
        let Tally { n_reads, n_hits, n_near, n_failed_reads, n_failed, n_quiet, .. } = self.tally;
        let is_control = matches!(self.bound, Bound::Stale | Bound::Missed);
        let mut complaints = Vec::new();
        let mut expect = |is_so: bool, complaint: &str| {
            if !is_so {
                complaints.push(complaint.to_owned());
            }
        };
        expect(n_uncommitted == 0, "something was read that was never committed");
        expect(n_lost == 0, "the database has lost an acknowledged write");
        expect(n_hits > 0, NO_HITS);
        expect(n_near * 100 >= n_reads * scenario.setting.near_share, FEW_NEAR);
        expect(self.n_faults > 0 || scenario.faults.is_empty(), NOTHING_BROKEN);
        expect(self.n_struck > 0 || scenario.faults.is_empty(), NOBODY_HIT);
        let is_seldom = n_failed * 100 <= self.n_operations();
        expect(scenario.failing != Failing::Seldom || is_seldom, "too many operations failed");
        let why =
            format!("a read failed that needed nothing that was away: {}", self.tally.why_reads_failed.join("; "));
        expect(scenario.failing == Failing::Any || n_failed_reads == 0, &why);
        match self.bound {
            Bound::Never => expect(n_stale == 0, "something stale was read"),
            Bound::Within(bound) => expect(stalest <= bound, "something was read that had been stale for too long"),
            Bound::Stale => expect(n_stale > 0, NOTHING_STALE),
            Bound::Missed => expect(n_missed > 0, NOTHING_MISSED),
        }
        if !is_control {
            expect(n_missed == 0, "a process has missed its own write");
            expect(n_backward == 0, "a process has read something older than before");
            // What no cache answers says nothing of caches. Workers may still give a new server its time to settle.
            expect(n_quiet.1 > 0, "the workers' caches served nothing when all was quiet");
            expect(self.cells.n_hits * 2 >= self.cells.n_cells, "too few cells served anything when all was quiet");
            expect(self.cells.n_stale == 0, "a cache serves something stale when all is quiet");
        }
        complaints
    }

    fn in_full(&self) -> String {
        let mut text = format!("{self}\n");
        for line in self.tally.mistakes.iter().chain(&self.cells.mistakes) {
            text.push_str(line);
            text.push('\n');
        }
        text
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Tally { n_reads, n_hits, n_near, n_writes, n_failed_reads, n_failed, n_unknown, .. } = self.tally;
        let of_reads = |n: u64| (n * 100).checked_div(n_reads).unwrap_or(0);
        write!(
            f,
            "{:<20} {} {} operations ({n_reads} reads, {} % hits, {} % near; {n_writes} writes; {n_failed_reads} reads and \
             {n_failed} writes failed, {n_unknown} unknown), {} a second, {} faults, {} struck; stale {}",
            self.name,
            if self.is_good() { "ok    " } else { "FAILED" },
            self.n_operations(),
            of_reads(n_hits),
            of_reads(n_near),
            (self.n_operations() as f64 / self.time.as_secs_f64()).round(),
            self.n_faults,
            self.n_struck,
            self.tally.n_stale,
        )?;
        if self.tally.n_stale > 0 {
            write!(f, " (for {:.0?} at most)", self.tally.stalest)?;
        }
        if self.is_near {
            let Tally { n_old, oldest, n_missed, n_backward, n_quiet, .. } = self.tally;
            write!(
                f,
                ", near {n_old} out of date for {oldest:.1?} at most, own writes missed {n_missed}, backward {n_backward}, \
                 {} of {} reads when quiet served",
                n_quiet.1, n_quiet.0
            )?;
        }
        let (quiet, Cells { n_cells, n_hits, .. }) = (self.cells.n_stale, &self.cells);
        write!(
            f,
            ", uncommitted {}, lost {}, stale when quiet {quiet} of {n_hits} hits in {n_cells} cells; longest gap {:.1?}",
            self.tally.n_uncommitted, self.tally.n_lost, self.tally.longest_gap
        )?;
        for complaint in &self.complaints {
            write!(f, "\n    {complaint}")?;
        }
        if let Some(kept) = &self.kept {
            write!(f, "\n    the history is in {}", kept.display())?;
        }
        Ok(())
    }
}
