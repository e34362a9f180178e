//! Looks at the database and at the cells, and says where they differ.

use larder::{
    refresh::Refreshed,
    store::{CellKey, Clock as _, Nonce},
};

use crate::{
    act::{Act, LANE, Marked},
    history::State,
    rows::Key,
    stage::Show,
    theme::Theme,
};

impl Act {
    /// From now on nobody may be given what was in the view before.
    pub fn judge_refresh(&mut self, me: usize, result: larder::Result<Refreshed>) {
        self.note(me, |_| {
            format!("has refreshed: {}", result.as_ref().map_or_else(ToString::to_string, |r| r.manner.to_string()))
        });
        match result {
            Ok(_) => {
                self.tally.refreshes += 1;
                self.refreshed = self.refreshed.max(self.slots[me].committed_in);
            }
            Err(error) => {
                if let Err(what) = self.failure_of_transaction(&error) {
                    self.is_wrong(format!("actor {me}: {what}"));
                }
            }
        }
    }
}

impl Show {
    /// Looks at the database, and at every cell that serves a value.
    pub fn look(&mut self) {
        let state = State::of(&mut self.tools.eyes, self.act.plan.theme).expect("the database can be read");
        let time = self.tools.time.now();
        if self.act.history.push(state, time) {
            self.act.note(LANE, |act| format!("the database is in state {}", act.history.at()));
        }
        match self.act.plan.theme {
            Theme::Behind => self.look_at_amounts(false),
            Theme::Upkeep => self.look_at_books(),
            _ => {}
        }
        if !self.act.plan.is_judged_at_the_end {
            self.compare_cells();
        }
    }

    /// Compares every cell that serves a value with the database.
    pub fn compare_cells(&mut self) {
        let keys: Vec<CellKey> = self.act.keys.iter().cloned().collect();
        for (key, value) in self.tools.served(&keys) {
            if matches!(key, Key::Stats(_)) && !self.act.is_over {
                // Between its COMMIT and its return a refresh leaves old rows in place.
                continue;
            }
            self.act.tally.cells += 1;
            let now = self.act.history.now().value(&key);
            if now != value {
                self.act.is_wrong(format!("the cell of {key} serves {value}; the database has {now}"));
            }
        }
    }

    /// All faults are over, and everything that is under way arrives or does not: then nothing old may be left.
    pub fn close(&mut self) {
        while !self.act.late.is_empty() {
            let at = self.act.random.usize(..self.act.late.len());
            let is_lost = self.act.random.u8(..100) < 30;
            self.arrive(at, is_lost);
        }
        let marked: Vec<Marked> = std::mem::take(&mut self.act.marked);
        for marked in &marked {
            self.expire(marked);
        }
        if self.act.quarantine.is_some() {
            self.end_quarantine();
        }
        match self.act.plan.theme {
            Theme::Behind => self.flush_the_rest(),
            Theme::Aside => self.look_aside(),
            // What a refresh has left behind that was killed.
            Theme::View => self.tools.relay(),
            _ => {}
        }
        self.act.is_over = true;
        self.show_cells();
        self.look();
        self.compare_cells();
        self.compare_amounts();
        self.settle_lines();
        self.tools.cells.delete(self.act.keys.iter()).expect("redis takes orders");
    }

    /// What is maintained must be right in every state that others can see.
    fn look_at_books(&mut self) {
        self.act.tally.books += 1;
        if let Err(what) = self.act.history.now().books().judge() {
            self.act.is_wrong(what);
        }
    }

    /// What waits is written; then nothing that was acknowledged may be missing.
    fn flush_the_rest(&mut self) {
        self.tools.flush();
        self.look();
        self.look_at_amounts(true);
    }

    /// What was rolled back, or was said to be, must not have been there at any time.
    fn compare_amounts(&mut self) {
        for amount in std::mem::take(&mut self.act.never) {
            if let Some(at) = self.act.history.first_since(0, |state| state.has_number(amount)) {
                let text = format!("state {at} has the amount {amount}, of what was rolled back or was said to be");
                self.act.is_wrong(text);
            }
        }
    }

    /// The trace so far.
    #[must_use]
    pub fn lines(&self) -> String {
        self.act.trace.as_deref().map_or_else(|| "(no trace)".to_owned(), |lines| lines.join("\n"))
    }

    /// The bytes of a cell in words.
    fn describe(&mut self, bytes: &[u8]) -> String {
        let mut nonce =
            |bytes: &[u8]| bytes.try_into().map_or_else(|_| "?".to_owned(), |b| self.act.name_of(Nonce::from_bytes(b)));
        match bytes.first() {
            None => "nothing".to_owned(),
            Some(b'V') if bytes.len() >= 33 => format!("value of {} ({} bytes)", nonce(&bytes[17..33]), bytes.len()),
            Some(b'L') if bytes.len() == 33 => format!("lease {}", nonce(&bytes[17..33])),
            Some(b'M') if bytes.len() > 10 => {
                let records = bytes[10..].chunks(29).map(|record| nonce(&record[..16.min(record.len())]));
                let records: Vec<String> = records.collect();
                format!("{} marker of {}", if bytes[1] == b'c' { "clean" } else { "dirty" }, records.join(", "))
            }
            Some(_) => format!("{} bytes", bytes.len()),
        }
    }

    /// Takes down which cells have changed.
    pub fn show_cells(&mut self) {
        if self.act.trace.is_none() {
            return;
        }
        let keys: Vec<CellKey> = self.act.keys.iter().cloned().collect();
        let served = self.tools.served(&keys);
        for key in keys {
            let bytes = self.tools.cells.bytes(&key).expect("redis takes orders");
            let text = self.describe(bytes.as_deref().unwrap_or_default());
            if self.act.shown.insert(key.clone(), text.clone()).unwrap_or_else(|| "nothing".to_owned()) == text {
                continue;
            }
            let means = crate::tools::key_of(&key).and_then(|key| served.iter().find(|(other, _)| *other == key));
            let line = match means {
                Some((key, value)) => format!("    cell {key}: {text} {value}"),
                None => format!("    cell {key}: {text}"),
            };
            self.act.note(LANE, |_| line);
        }
    }
}
