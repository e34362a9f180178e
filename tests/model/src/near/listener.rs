//! The thread of a process that listens to the store, and the server's side of its connection.

use super::{
    channel::Message,
    moves::Moves,
    setup::{Near, Promise},
    state::{State, member},
};
use crate::{moves::Actor, rules::Rule};

pub(super) fn steps(moves: &mut Moves<'_>, p: usize) {
    handle(moves, p);
    ping(moves, p);
    number(moves, p);
    connection(moves, p);
}

fn handle(moves: &mut Moves<'_>, p: usize) {
    let (setup, process) = (moves.setup, &moves.from.processes[p]);
    let actor = Actor::Listener(p);
    if process.owes_end {
        moves.step(actor, "ends the entries only now", |state| {
            state.processes[p].owes_end = false;
            state.processes[p].end_entries(setup);
        });
        return;
    }
    let Some(message) = process.channel.first().filter(|_| process.is_listening) else { return };
    match message {
        Message::Announced { writer, number } => {
            const WHATS: [&str; 2] = ["handles the announcement of W1", "handles the announcement of W2"];
            let is_in_order = setup.has(Rule::EndBeforeAnswer);
            moves.step(actor, WHATS[usize::from(writer)], |state| {
                let process = &mut state.processes[p];
                process.channel.pop();
                if setup.is_stranger(usize::from(writer)) {
                    // Its keys are in other slots.
                } else if is_in_order {
                    process.end_entries(setup);
                } else {
                    process.owes_end = true;
                }
                process.reached = number.or(process.reached);
                acknowledge(state, p, usize::from(writer), setup);
            });
        }
        Message::Reply { tag, has_lapsed } => {
            let what = if tag.is_some() { "has a proof" } else { "has a proof that is too old" };
            moves.step(actor, what, |state| {
                let counts_from_reply = !setup.has(Rule::ProofFromSending);
                let now = state.tag(setup);
                let process = &mut state.processes[p];
                process.channel.pop();
                if has_lapsed && setup.ends_at_lapse {
                    process.end_entries(setup);
                }
                if tag.is_some() {
                    process.proof = if counts_from_reply { Some(now) } else { tag };
                }
            });
        }
        Message::Number(number) => moves.step(actor, "reads the number", |state| {
            let process = &mut state.processes[p];
            process.channel.pop();
            process.reached = number.or(process.reached);
        }),
    }
}

fn acknowledge(state: &mut State, p: usize, writer: usize, setup: &Near) {
    let writer = &mut state.writers[writer];
    if setup.promise == Promise::Acknowledged && writer.is_waiting() {
        writer.acknowledged |= member(p, setup);
        if !setup.has(Rule::AcknowledgementsAreNamed) {
            writer.n_acknowledged += 1;
        }
    }
}

fn ping(moves: &mut Moves<'_>, p: usize) {
    let (setup, process) = (moves.setup, &moves.from.processes[p]);
    let is_free = process.ping.is_none() && !process.channel.has_reply();
    match setup.promise {
        Promise::Tokens => {}
        // Here it matters only what was committed when the server answered.
        Promise::Bounded => {
            if is_free && process.is_subscribed && process.is_listening && process.n_pings > 0 {
                let tag = Some(moves.from.tag(setup));
                moves.step(Actor::Store, ANSWERS[p], |state| {
                    state.processes[p].n_pings -= 1;
                    state.processes[p].channel.push(Message::Reply { tag, has_lapsed: false });
                });
            }
        }
        Promise::Acknowledged | Promise::Timed => {
            if is_free && process.is_listening && process.n_pings > 0 {
                let tag = moves.from.tag(setup);
                moves.step(Actor::Listener(p), "sends a PING", |state| {
                    state.processes[p].n_pings -= 1;
                    state.processes[p].ping = Some(Some(tag));
                });
            }
            if let Some(tag) = process.ping.filter(|_| process.is_subscribed) {
                moves.step(Actor::Store, ANSWERS[p], |state| {
                    let has_lapsed = setup.is_renewed_by_pings() && state.register(p, setup) && setup.ends_at_lapse;
                    state.processes[p].ping = None;
                    state.processes[p].channel.push(Message::Reply { tag, has_lapsed });
                });
            }
        }
    }
}

const ANSWERS: [&str; 2] = ["answers a PING of process 1", "answers a PING of process 2"];

/// After it has subscribed, the listener asks for the number, on the same connection.
fn number(moves: &mut Moves<'_>, p: usize) {
    let (setup, process) = (moves.setup, &moves.from.processes[p]);
    if !process.asks_number {
        return;
    }
    if !setup.has(Rule::NumberOnSameConnection) {
        moves.step(Actor::Listener(p), "reads the number on another connection", |state| {
            state.processes[p].asks_number = false;
            state.processes[p].reached = state.number.or(state.processes[p].reached);
        });
    } else if process.is_subscribed {
        moves.step(Actor::Store, "tells the listener the number", |state| {
            let message = Message::Number(state.number);
            state.processes[p].asks_number = false;
            state.processes[p].channel.push(message);
        });
    }
}

fn connection(moves: &mut Moves<'_>, p: usize) {
    let (setup, process) = (moves.setup, &moves.from.processes[p]);
    let actor = Actor::Listener(p);
    if process.is_listening && !process.is_subscribed && process.channel.is_empty() && !process.owes_end {
        moves.step(actor, "finds its connection lost", |state| {
            let process = &mut state.processes[p];
            process.is_listening = false;
            process.asks_number = false;
            process.ping = None;
            if setup.promise.is_strict() {
                process.proof = None;
            }
            if setup.ends_at_loss {
                process.end_all(setup);
            }
        });
    }
    if !process.is_listening && !process.is_subscribed {
        moves.step(Actor::Store, "handles SUBSCRIBE", |state| {
            let tag = state.tag(setup);
            state.processes[p].is_subscribed = true;
            if setup.promise == Promise::Bounded {
                // From the reply on this is the proof; until then nothing is served.
                state.processes[p].proof = Some(tag);
            }
            if setup.promise == Promise::Acknowledged && !setup.has(Rule::MembershipRenewed) {
                state.register(p, setup);
            }
        });
    }
    if !process.is_listening && process.is_subscribed {
        moves.step(actor, "has subscribed again", |state| {
            let process = &mut state.processes[p];
            process.is_listening = true;
            process.asks_number = setup.promise == Promise::Tokens;
            if setup.has(Rule::EndAtSubscription) {
                process.end_all(setup);
            }
        });
    }
}
