//! A write: what it asks before COMMIT, how it waits, and how it ends.

use super::{
    channel::Message,
    moves::Moves,
    setup::{Near, Op, Promise},
    state::{Number, Phase, State, Writer, member},
};
use crate::{
    cell::{Cell, Request, Value},
    database::Transaction,
    moves::Actor,
    rules::Rule,
    setup::Kind,
};

pub(super) fn steps(moves: &mut Moves<'_>, n: usize) {
    let (setup, writer) = (moves.setup, moves.from.writers[n]);
    let actor = Actor::Writer(n);
    let is_open = matches!(writer.phase, Phase::Begun(_) | Phase::Ready);
    if setup.is_early && is_open && !writer.has_changed && may_change(moves.from, setup) {
        moves.step(actor, "UPDATE", |state| change(state, n));
    }
    match writer.phase {
        Phase::Idle if setup.is_early || setup.is_stranger(n) => before_commit(moves, n, actor, 0),
        Phase::Idle if may_change(moves.from, setup) => before_commit(moves, n, actor, 0),
        Phase::Begun(step) => before_commit(moves, n, actor, step),
        Phase::Ready if writer.has_changed => wait(moves, n, actor),
        Phase::CommitSent => moves.step(Actor::Database, COMMITS[n], |state| {
            commit(state, n);
            state.writers[n].phase = Phase::Committed;
        }),
        Phase::Committed => finish(moves, n, actor),
        Phase::Finished => moves.step(actor, "returns", |state| {
            state.writers[n] = Writer { phase: Phase::Returned, ..state.writers[n].at_rest() };
            if setup.is_own(n) {
                let process = &mut state.processes[0];
                process.own |= 1 << n;
                if setup.has(Rule::OwnEnds) && setup.has(Rule::OwnEndsAgain) {
                    process.end_entries(setup);
                }
            }
        }),
        Phase::Crashed if writer.transaction == Transaction::Committing => {
            moves.step(Actor::Database, COMMITS[n], |state| commit(state, n));
            moves.step(Actor::Database, ABORTS[n], |state| state.writers[n].transaction = Transaction::Aborted);
        }
        Phase::Idle | Phase::Ready | Phase::Returned | Phase::Crashed => {}
    }
}

const COMMITS: [&str; 2] = ["commits W1", "commits W2"];
const ABORTS: [&str; 2] = ["aborts W1", "aborts W2"];

/// A row's writers wait for each other; those of a list do not.
fn may_change(state: &State, setup: &Near) -> bool {
    setup.kind == Kind::List || !state.is_locked()
}

fn change(state: &mut State, n: usize) {
    let writer = &mut state.writers[n];
    writer.has_changed = true;
    writer.transaction = Transaction::Open;
    writer.value = Value(state.committed | 1 << n);
}

fn before_commit(moves: &mut Moves<'_>, n: usize, actor: Actor, step: u8) {
    let setup = moves.setup;
    let all = setup.before_commit();
    let Some(ops) = all.get(usize::from(step)) else {
        answered(moves, n, actor);
        return;
    };
    let first = step == 0 && moves.from.writers[n].phase == Phase::Idle;
    let run = |state: &mut State| {
        if first && !setup.is_stranger(n) {
            state.writers[n].transaction = Transaction::Open;
            if !setup.is_early {
                change(state, n);
            }
        }
        ops.iter().for_each(|op| execute(state, n, *op, setup));
        state.writers[n].phase = Phase::Begun(step + 1);
    };
    let what = match (*ops, first && !setup.is_early) {
        ([Op::Mark], _) if setup.is_stranger(n) => "writes another key, and marks that cell",
        ([Op::Mark], true) => "UPDATE, and marks the cell",
        ([Op::Mark], false) => "marks the cell",
        ([Op::Mark, ..], _) => "marks the cell, and announces",
        ([Op::End], _) => "UPDATE, and ends its own entries",
        ([Op::Members], true) => "UPDATE, and reads who is a member",
        ([Op::Members], false) => "reads who is a member",
        ([Op::Number], _) => "takes a number",
        (_, true) => "UPDATE, and announces",
        (_, false) => "announces",
    };
    moves.step(actor, what, run);
    let is_last = usize::from(step) + 1 == all.len();
    if is_last && moves.from.mishaps.lost_replies > 0 {
        moves.step(actor, "announces, gets no answer, and begins anew", |state| {
            run(state);
            state.mishaps.lost_replies -= 1;
            begin_anew(&mut state.writers[n]);
        });
    }
    if is_last && moves.from.mishaps.doubles > 0 {
        moves.step(actor, "announces, which is executed twice", |state| {
            run(state);
            state.mishaps.doubles -= 1;
            let number = state.writers[n].number;
            state.publish(Message::Announced { writer: name(n), number });
        });
    }
}

/// Under another nonce.
pub(super) fn begin_anew(writer: &mut Writer) {
    writer.phase = Phase::Begun(0);
    writer.attempt = 1;
}

fn execute(state: &mut State, n: usize, op: Op, setup: &Near) {
    match op {
        Op::End => {
            if setup.is_own(n) {
                state.processes[0].end_entries(setup);
            }
        }
        Op::Mark if setup.is_stranger(n) => {}
        Op::Mark => {
            let nonce = nonce(n, state.writers[n]);
            state.execute(Request::Begin(nonce));
            state.writers[n].is_forgotten = false;
            if !setup.has(Rule::WaitFromReply) {
                announced(state, n, setup);
            }
        }
        Op::Number => {
            let next = match state.number {
                Some(Number { id, n }) => Number { id, n: n + 1 },
                None if setup.has(Rule::FreshNumber) => {
                    state.n_ids += 1;
                    Number { id: state.n_ids, n: 1 }
                }
                None => Number { id: 0, n: 1 },
            };
            state.number = Some(next);
            state.writers[n].number = Some(next);
        }
        Op::Publish => {
            if setup.has(Rule::WaitFromReply) {
                announced(state, n, setup);
            }
            let writer = &mut state.writers[n];
            writer.acknowledged = 0;
            writer.n_acknowledged = 0;
            let number = writer.number;
            state.publish(Message::Announced { writer: name(n), number });
        }
        Op::Members => {
            state.ensure_registry(setup);
            let itself = if setup.is_own(n) && !setup.acknowledges_itself { member(0, setup) } else { 0 };
            state.writers[n].waits_for = state.registry.members & !itself;
            state.writers[n].waits_long = state.registry.is_young;
        }
    }
}

/// What was sent until now does not know of it.
fn announced(state: &mut State, n: usize, setup: &Near) {
    if setup.promise.is_strict() {
        state.each_proof(|proof| {
            if let Some(tag) = proof {
                tag.announced &= !(1 << n);
            }
        });
        state.writers[n].is_announced = true;
    }
}

fn answered(moves: &mut Moves<'_>, n: usize, actor: Actor) {
    let setup = moves.setup;
    if setup.is_stranger(n) {
        moves.step(actor, "is done with another key", |state| {
            state.writers[n] = Writer { phase: Phase::Returned, ..state.writers[n].at_rest() };
        });
        return;
    }
    let ends = setup.is_own(n) && setup.has(Rule::OwnEnds) && setup.has(Rule::OwnEndsAfterReplies);
    let waits = setup.promise.is_strict();
    let what = match (ends, waits) {
        (true, true) => "has the answers, and ends its own entries",
        (true, false) => "has the answers, ends its own entries, and sends COMMIT",
        (false, true) => "has the answers",
        (false, false) => "has the answers, and sends COMMIT",
    };
    moves.step(actor, what, |state| {
        if ends {
            state.processes[0].end_entries(setup);
        }
        if waits {
            state.writers[n].phase = Phase::Ready;
        } else {
            send_commit(state, n);
        }
    });
}

/// Until every member has said that its entry is gone, or until none can serve it any more.
fn wait(moves: &mut Moves<'_>, n: usize, actor: Actor) {
    let (setup, writer) = (moves.setup, moves.from.writers[n]);
    if !setup.has(Rule::WaitBeforeCommit) {
        moves.step(actor, "sends COMMIT", |state| send_commit(state, n));
        return;
    }
    let has_all = if setup.has(Rule::AcknowledgementsAreNamed) {
        writer.waits_for & !writer.acknowledged == 0
    } else {
        u32::from(writer.n_acknowledged) >= writer.waits_for.count_ones()
    };
    if setup.promise == Promise::Acknowledged && has_all && !writer.waits_long {
        moves.step(actor, "has all acknowledgements, and sends COMMIT", |state| send_commit(state, n));
    }
    moves.step(actor, "has waited until older proofs are too old, and sends COMMIT", |state| {
        if setup.clock_runs {
            state.end_proofs(|tag| tag.announced >> n & 1 == 1);
        }
        send_commit(state, n);
    });
}

fn send_commit(state: &mut State, n: usize) {
    state.writers[n].phase = Phase::CommitSent;
    state.writers[n].transaction = Transaction::Committing;
}

fn commit(state: &mut State, n: usize) {
    state.committed |= 1 << n;
    state.writers[n].transaction = Transaction::Committed;
}

fn finish(moves: &mut Moves<'_>, n: usize, actor: Actor) {
    let (setup, writer) = (moves.setup, moves.from.writers[n]);
    let nonce = nonce(n, writer);
    let is_found = matches!(moves.from.cell, Cell::Marker { records, .. } if records >> nonce & 1 == 1);
    let is_told = !is_found && setup.has(Rule::FinishTellsOfLoss) || !setup.has(Rule::AnnounceBeforeCommit);
    let what = match (is_found, is_told) {
        (true, false) => "finishes",
        (true, true) => "finishes, and announces",
        (false, true) => "finishes, finds its marker gone, and announces that",
        (false, false) => "finishes, and finds its marker gone",
    };
    let value = (setup.kind == Kind::Row).then_some(writer.value);
    moves.step(actor, what, |state| {
        state.execute(Request::Finish(nonce, value));
        if is_told {
            state.publish(Message::Announced { writer: name(n), number: None });
        }
        state.writers[n].phase = Phase::Finished;
    });
}

fn name(n: usize) -> u8 {
    u8::try_from(n).expect("writers are few")
}

pub(super) fn nonce(n: usize, writer: Writer) -> u8 {
    2 * name(n) + writer.attempt
}

impl Writer {
    pub(super) fn has_returned(&self) -> bool {
        self.phase == Phase::Returned
    }

    /// What is left of it when it has ended, of which somebody may still ask.
    pub(super) fn at_rest(&self) -> Self {
        let Self { phase, transaction, is_announced, is_forgotten, number, .. } = *self;
        Self { phase, transaction, is_announced, is_forgotten, number, ..Self::default() }
    }

    /// Whether an acknowledgement of its announcement is still waited for.
    pub(super) fn is_waiting(&self) -> bool {
        matches!(self.phase, Phase::Begun(1..) | Phase::Ready)
    }
}
