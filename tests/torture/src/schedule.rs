//! Plays one schedule, and says what was wrong with it.

use std::{
    fmt,
    panic::{self, AssertUnwindSafe},
    sync::Arc,
    thread,
    time::Duration,
};

use larder::{Consistency, Error, failpoints};

use crate::{
    act::Place,
    aside, behind, deed,
    lane::Lane,
    mutant::Mutation,
    plan::{Deed, N_ACTORS, Read},
    stage::{Killed, Stage},
    tally::Tally,
    tools, wire,
};

/// How a schedule went.
#[derive(Debug)]
pub struct Played {
    /// Its seed.
    pub seed: u64,
    /// What it did.
    pub tally: Tally,
    /// What was wrong, if anything was.
    pub violation: Option<String>,
    /// What happened, if that was asked for.
    pub trace: Vec<String>,
}

impl fmt::Display for Played {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "schedule of seed {}:", self.seed)?;
        self.trace.iter().try_for_each(|line| writeln!(f, "{line}"))?;
        match &self.violation {
            Some(violation) => writeln!(f, "VIOLATION at {violation}"),
            None => writeln!(f, "nothing is wrong with it"),
        }
    }
}

/// Plays the schedule of a seed.
///
/// # Panics
/// If a server does not do as told, or the schedule can't be played to its end.
#[must_use]
pub fn play(lane: &Lane, seed: u64, is_traced: bool) -> Played {
    lane.prepare(seed, is_traced);
    let stage = &lane.stage;
    let deeds = {
        let mut show = stage.show();
        for slot in &mut show.act.slots[..N_ACTORS] {
            slot.is_ready = true;
        }
        show.act.plan.deeds.clone()
    };
    thread::scope(|scope| {
        for (me, deeds) in deeds.iter().enumerate() {
            let stage = Arc::clone(stage);
            scope.spawn(move || act(&stage, me, deeds));
        }
        drop(stage.play());
    });
    let handles = stage.show().handles.clone();
    let is_idle = handles.iter().all(|larder| larder.flush(Duration::from_secs(10)));
    assert!(is_idle, "schedule {seed}: a courier came unexpected: {}", stage.show().act.positions());
    let mut show = stage.show();
    show.close();
    let mut tally = std::mem::take(&mut show.act.tally);
    tally.schedules = 1;
    Played { seed, tally, violation: show.act.violation.take(), trace: show.act.trace.take().unwrap_or_default() }
}

/// The life of an actor.
fn act(stage: &Arc<Stage>, me: usize, deeds: &[Deed]) {
    wire::enter(me);
    drop(stage.await_turn(me, stage.show()));
    let _hooked = failpoints::on_this_thread({
        let stage = Arc::clone(stage);
        move |point| {
            if !tools::is_looking() {
                stage.step(me, Place::Point(point));
            }
        }
    });
    for deed in deeds {
        stage.step(me, Place::Deed);
        let begin = stage.begin(me, deed);
        let (larder, writer, cast) = {
            let show = stage.show();
            let process = show.act.process_of(me);
            (show.handles[process].clone(), show.writers[process].clone(), show.act.cast.clone())
        };
        let done = panic::catch_unwind(AssertUnwindSafe(|| match deed {
            Deed::Read(read, from) => Done::Read(*read, deed::read(&larder, &cast, *read, *from), *from),
            Deed::Write(write) => Done::Written(deed::write(stage, me, &writer, &cast, write)),
            Deed::Refresh => Done::Refreshed(deed::refresh(stage, me, &larder)),
            Deed::Aside(one) => Done::Aside(aside::act(stage, me, &larder, &cast, *one)),
            Deed::Later(later) => Done::Later(behind::act(stage, me, &larder, &cast, later)),
        }));
        match done {
            Ok(done) => judge(stage, me, begin, done),
            Err(reason) if reason.is::<Killed>() => stage.died(me),
            Err(reason) => {
                panic::resume_unwind(reason);
            }
        }
    }
    stage.leave(me);
}

enum Done {
    Read(Read, larder::Result<Vec<(crate::rows::Key, crate::rows::Value)>>, Consistency),
    Written(larder::Result<Vec<deed::Claim>>),
    Later(behind::Done),
    Aside(aside::Done),
    Refreshed(larder::Result<larder::refresh::Refreshed>),
}

impl Done {
    fn is_ok(&self) -> bool {
        match self {
            Self::Read(_, result, _) => result.is_ok(),
            Self::Written(result) => result.is_ok(),
            Self::Later(done) => done.is_ok(),
            Self::Aside(done) => done.is_ok(),
            Self::Refreshed(result) => result.is_ok(),
        }
    }
}

/// What a write says of itself. How a client hears that its session has ended depends on which message is there first.
fn in_words(result: &larder::Result<Vec<deed::Claim>>) -> String {
    use diesel::result::{DatabaseErrorKind::ClosedConnection, Error::DatabaseError};
    match result {
        Err(Error::Database(DatabaseError(ClosedConnection, _))) => "the session has ended".to_owned(),
        result => format!("{result:?}"),
    }
}

/// Compares what a deed gave with what the database was while it lasted.
fn judge(stage: &Stage, me: usize, begin: usize, done: Done) {
    let mut show = stage.end(me, done.is_ok());
    let act = &mut show.act;
    match done {
        Done::Read(read, Ok(found), from) => {
            let may_be_near = act.lines.are_there() && from == Consistency::Near;
            // The result of a query is under a key of its own, of which nothing is near.
            let is_result = matches!(read, Read::Query(_));
            for (key, value) in found {
                act.note(me, |_| format!("has read {key}: {value}"));
                if !act.slots[me].has_selected {
                    act.tally.hits += 1;
                }
                if let Some(state) = act.compare(me, begin, &key, &value, may_be_near)
                    && !is_result
                {
                    act.raise(me, key, state);
                }
            }
        }
        Done::Read(_, Err(error), _) => {
            act.note(me, |_| format!("could not read: {error:?}"));
            act.is_wrong(format!("actor {me} could not read: {error:?}"));
        }
        Done::Refreshed(result) => act.judge_refresh(me, result),
        Done::Aside(done) => act.judge_aside(me, done),
        Done::Later(done) => act.judge_later(me, begin, done),
        Done::Written(mut result) => {
            if act.mutation == Some(Mutation::DeniesCommits) && result.is_ok() {
                result = Err(Error::other("it has happened all the same"));
            }
            act.tally.writes += 1;
            act.note(me, |_| format!("has written: {}", in_words(&result)));
            match result {
                Ok(claims) => {
                    act.tally.commits += 1;
                    act.raise_committed(me);
                    if !act.history.any_since(begin, |state| claims.iter().all(|claim| claim.holds(state))) {
                        act.is_wrong(format!("actor {me} was told of a write that never was: {claims:?}"));
                    }
                }
                // It may have happened, or may yet.
                Err(Error::CommitUnknown(_)) if act.plan.proxied || act.has_ended_sessions => {}
                Err(Error::CommitUnknown(_)) => {
                    act.is_wrong(format!("actor {me} was told of an unknown COMMIT, and nothing was wrong with it"));
                }
                Err(Error::Database(diesel::result::Error::DatabaseError(_, info)))
                    if ["canceling statement due to lock timeout", "deadlock detected"].contains(&info.message()) =>
                {
                    act.is_wrong(format!("actor {me} had to wait for a lock that nobody foresaw: {}", info.message()));
                }
                // Every other error says that it has not happened, and won't.
                Err(_) => {
                    let amounts = std::mem::take(&mut act.slots[me].amounts);
                    act.tally.denied += u64::from(!amounts.is_empty());
                    act.never.extend(amounts);
                }
            }
        }
    }
}
