//! The registry of those who must acknowledge.

use super::{
    moves::Moves,
    setup::{Near, Promise},
    state::{Registry, State, member},
};
use crate::{moves::Actor, rules::Rule};

pub(super) fn steps(moves: &mut Moves<'_>, p: usize) {
    if moves.setup.promise == Promise::Acknowledged {
        renew(moves, p);
        lapse(moves, p);
    }
}

impl Near {
    pub(super) fn is_renewed_by_pings(&self) -> bool {
        self.promise == Promise::Acknowledged && self.n_renewals.is_none() && self.has(Rule::MembershipRenewed)
    }
}

impl State {
    /// Makes the registry if it is not there.
    pub(super) fn ensure_registry(&mut self, setup: &Near) {
        if self.registry.exists {
            return;
        }
        let is_young = setup.has(Rule::WaitWhileYoung);
        self.registry = Registry { exists: true, is_young, members: 0 };
        if is_young {
            self.each_proof(|proof| {
                if let Some(tag) = proof {
                    tag.is_registry_older = false;
                }
            });
        }
    }

    /// Makes a process a member, and says whether it was none.
    pub(super) fn register(&mut self, p: usize, setup: &Near) -> bool {
        if !setup.has(Rule::MemberBeforeInsert) && !self.processes[p].has_inserted {
            return false;
        }
        self.ensure_registry(setup);
        let has_lapsed = self.registry.members & member(p, setup) == 0;
        self.registry.members |= member(p, setup);
        has_lapsed
    }
}

/// On a connection of its own, whose replies may come before earlier announcements.
fn renew(moves: &mut Moves<'_>, p: usize) {
    let (setup, process) = (moves.setup, &moves.from.processes[p]);
    if setup.n_renewals.is_none() {
        return;
    }
    let actor = Actor::Listener(p);
    let renewal = process.renewal;
    if renewal.request.is_none() && renewal.reply.is_none() && renewal.n_renewals > 0 {
        let tag = moves.from.tag(setup);
        moves.step(actor, "sends a renewal", |state| {
            state.processes[p].renewal.n_renewals -= 1;
            state.processes[p].renewal.request = Some(Some(tag));
        });
    }
    if let Some(tag) = renewal.request {
        moves.step(Actor::Store, "renews a membership", |state| {
            let has_lapsed = state.register(p, setup) && setup.has(Rule::LapseIsNoticed);
            let renewal = &mut state.processes[p].renewal;
            renewal.request = None;
            renewal.reply = Some(tag);
            renewal.has_lapsed = has_lapsed;
        });
    }
    let Some(tag) = renewal.reply else { return };
    if renewal.has_lapsed {
        moves.step(actor, "is told that it was no member: earlier PINGs prove nothing", |state| {
            let process = &mut state.processes[p];
            process.proof = None;
            process.ping = process.ping.map(|_| None);
            process.channel.replies().for_each(|tag| *tag = None);
            process.renewal.proof = tag;
            process.renewal.reply = None;
            process.renewal.has_lapsed = false;
        });
    } else {
        moves.step(actor, "is told that it is a member", |state| {
            let renewal = &mut state.processes[p].renewal;
            renewal.reply = None;
            renewal.proof = tag.or(renewal.proof);
        });
    }
}

/// A member is forgotten some time after its last renewal; what that has proved is too old by then.
fn lapse(moves: &mut Moves<'_>, p: usize) {
    let (setup, registry) = (moves.setup, moves.from.registry);
    let own = member(p, setup);
    if !registry.exists || registry.members & own == 0 || (0..p).any(|other| member(other, setup) == own) {
        return;
    }
    moves.step(Actor::Store, "forgets a member that has not renewed", |state| {
        state.registry.members &= !own;
        if !setup.has(Rule::MembershipRenewed) {
            return;
        }
        for p in setup.processes().filter(|p| member(*p, setup) == own) {
            let process = &mut state.processes[p];
            if setup.n_renewals.is_some() {
                process.renewal.proof = None;
                process.renewal.reply = process.renewal.reply.map(|_| None);
            } else {
                process.proof = None;
                process.channel.replies().for_each(|tag| *tag = None);
            }
        }
    });
}
