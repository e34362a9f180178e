//! What actors do with values aside, whose home larder does not know, and how old those may be.
//!
//! A value is the moment at which it was computed. So a value tells its age, and one number a key says which values are too old: whoever
//! begins to read must not be given one that was computed before a write began that had returned by then; nor one from before the home was
//! written, from that very moment on.

use std::collections::HashMap;

use diesel::pg::Pg;
use larder::{Aside as Values, Error, Larder, Result};

use crate::{
    act::{Act, Late, Place, Tx},
    rows::Cast,
    stage::{Show, Stage},
};

/// How many keys a schedule knows.
pub const N_KEYS: usize = 2;

/// A moment of a schedule, and the value that was computed then.
pub type Moment = u64;

/// Something that has to do with the value of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aside {
    /// Reads it, and computes it if it is not stored; or fails to.
    Load(usize, Computing),
    /// Reads it, if it is stored.
    Get(usize),
    /// Stores one.
    Put(usize),
    /// Writes its home, and stores it.
    Update(usize, Written),
    /// Takes it out of the store.
    Forget(usize),
}

/// How it ends to compute a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Computing {
    /// With a value.
    Succeeds,
    /// With an error.
    Fails,
}

/// How it ends to write a value's home.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// It is written.
    Well,
    /// It is written, and the writer hears of an error.
    Unanswered,
    /// The writer hears of an error, and it is written later or never.
    Late,
}

/// What came of it.
pub enum Done {
    /// A reader who might be given nothing older than that was given this.
    Given(usize, Moment, Option<Moment>),
    /// A computation has failed, as it was to.
    Failed,
    /// A value was stored, or an error says that it was not.
    Put(usize, Moment, Result<()>),
    /// The home was written, as far as the writer knows.
    Updated(usize, Result<Option<Moment>>),
    /// What was there at that moment is gone, or a store that failed says so.
    Forgotten(usize, Moment, bool),
}

impl Done {
    /// Whether it went well.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        !matches!(
            self,
            Self::Failed | Self::Put(_, _, Err(_)) | Self::Updated(_, Err(_)) | Self::Forgotten(_, _, false)
        )
    }
}

/// The homes of the values, and what may be served of them.
#[derive(Debug, Default)]
pub struct Shelf {
    now: Moment,
    /// What is older must not be given to anybody who begins now.
    floors: [Moment; N_KEYS],
    /// How often Redis has forgotten its marks.
    life: usize,
    /// Until when a value may count as computed that somebody puts: as long as he does.
    puts: HashMap<Moment, Moment>,
}

impl Shelf {
    fn moment(&mut self) -> Moment {
        self.now += 1;
        self.now
    }

    fn raise(&mut self, key: usize, floor: Moment) {
        self.floors[key] = floor.max(self.floors[key]);
    }

    /// The home of a value is written by an update that was begun in some life of Redis.
    ///
    /// If its mark was forgotten since, another update may have stored what is older now: that is right again when this one returns.
    fn write(&mut self, key: usize, life: usize) -> Moment {
        let moment = self.moment();
        if life == self.life {
            self.raise(key, moment);
        }
        moment
    }

    /// Redis has forgotten its marks.
    pub fn forgets(&mut self) {
        self.life += 1;
    }

    fn is_too_old(&self, value: Moment, floor: Moment) -> bool {
        self.puts.get(&value).copied().unwrap_or(value) < floor
    }
}

fn values(larder: &Larder<Pg>) -> Values<'_, Pg, (String, usize), Moment> {
    larder.aside("torture")
}

fn name(cast: &Cast, key: usize) -> (String, usize) {
    (cast.user(0).to_string(), key)
}

/// Does it.
pub fn act(stage: &Stage, me: usize, larder: &Larder<Pg>, cast: &Cast, aside: Aside) -> Done {
    let values = values(larder);
    let home = || stage.step(me, Place::Home);
    match aside {
        Aside::Load(key, computing) => {
            let floor = stage.show().act.shelf.floors[key];
            let loaded = values.load(&name(cast, key), || {
                home();
                let value = stage.show().act.shelf.moment();
                home();
                if computing == Computing::Succeeds { Ok(value) } else { Err(()) }
            });
            loaded.map_or(Done::Failed, |value| Done::Given(key, floor, Some(value)))
        }
        Aside::Get(key) => {
            let floor = stage.show().act.shelf.floors[key];
            Done::Given(key, floor, values.get(&name(cast, key)))
        }
        Aside::Put(key) => {
            let value = {
                let shelf = &mut stage.show().act.shelf;
                let value = shelf.moment();
                shelf.puts.insert(value, Moment::MAX);
                value
            };
            Done::Put(key, value, values.put(&name(cast, key), &value))
        }
        Aside::Update(key, written) => {
            let begun = stage.show().act.shelf.moment();
            let result = values.update(&name(cast, key), || {
                let life = {
                    let shelf = &mut stage.show().act.shelf;
                    // What was stored before is out of use from here on.
                    shelf.raise(key, begun);
                    shelf.life
                };
                home();
                match written {
                    Written::Late => {
                        stage.show().write_home_later(me, key, life);
                        Err(Error::other("it is not known whether it was written"))
                    }
                    _ => {
                        let value = stage.show().act.shelf.write(key, life);
                        home();
                        if written == Written::Well { Ok(Some(value)) } else { Err(Error::other("not answered")) }
                    }
                }
            });
            Done::Updated(key, result)
        }
        Aside::Forget(key) => {
            let moment = stage.show().act.shelf.moment();
            Done::Forgotten(key, moment, values.forget(&name(cast, key)))
        }
    }
}

impl Act {
    /// Compares what came of it with what was written before.
    pub fn judge_aside(&mut self, me: usize, done: Done) {
        match done {
            Done::Given(key, floor, value) => {
                self.note(me, |_| {
                    format!("is given {value:?} for {key}, and nothing from before {floor} would be right")
                });
                self.compare_aside(&format!("actor {me}"), key, floor, value);
            }
            Done::Failed => self.note(me, |_| "could not compute it".to_owned()),
            Done::Put(key, value, result) => {
                self.note(me, |_| format!("has put {value} for {key}: {result:?}"));
                let moment = self.shelf.moment();
                // What was not answered may come later.
                if result.is_ok() {
                    self.shelf.puts.insert(value, moment);
                    self.shelf.raise(key, value);
                }
                self.judge_refusal(me, result.err());
            }
            Done::Updated(key, result) => {
                self.note(me, |_| format!("has updated {key}: {result:?}"));
                if let Ok(Some(value)) = result {
                    self.shelf.raise(key, value);
                }
                self.judge_refusal(me, result.err().filter(|error| !matches!(error, Error::Other(_))));
            }
            Done::Forgotten(key, moment, is_done) => {
                self.note(me, |_| format!("has forgotten what {key} had at {moment}: {is_done}"));
                if is_done {
                    self.shelf.raise(key, moment);
                }
            }
        }
    }

    fn compare_aside(&mut self, who: &str, key: usize, floor: Moment, value: Option<Moment>) {
        let Some(value) = value else { return };
        self.tally.asides += 1;
        if value > self.shelf.now {
            self.is_wrong(format!("{who} was given {value} for value {key}, which nobody has computed"));
        } else if self.shelf.is_too_old(value, floor) {
            self.is_wrong(format!("{who} was given {value} for value {key}, and nothing from before {floor} is right"));
        }
    }

    fn judge_refusal(&mut self, me: usize, error: Option<Error>) {
        if let Some(error) = error
            && !(matches!(error, Error::Store { .. }) && self.tally.n_faults() > 0)
        {
            self.is_wrong(format!("actor {me} could not write aside: {error:?}"));
        }
    }
}

impl Show {
    /// The home of a value is written when that arrives, if it does.
    fn write_home_later(&mut self, me: usize, key: usize, life: usize) {
        let tx = self.act.slots[me].tx.take().expect("who updates has a transaction");
        self.act.late.push(Late::Home { tx, key, life });
    }

    /// It arrives, or is lost: then it is certain what became of it.
    pub fn write_home(&mut self, tx: Tx, (key, life): (usize, usize), is_lost: bool) {
        if !is_lost {
            let moment = self.act.shelf.write(key, life);
            self.act.tally.late("write of a home");
            self.act.note(crate::act::LANE, |_| format!("the home of {key} is written late: {moment}"));
        }
        self.act.decide(tx);
    }

    /// Compares what is stored when all is over.
    pub fn look_aside(&mut self) {
        for key in 0..N_KEYS {
            let value = values(&self.tools.flusher).get(&name(&self.act.cast, key));
            let floor = self.act.shelf.floors[key];
            self.act.compare_aside("whoever comes in the end", key, floor, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_as_old_as_its_computation_and_one_that_is_put_as_its_putting() {
        let mut shelf = Shelf::default();
        let (loaded, put) = (shelf.moment(), shelf.moment());
        shelf.puts.insert(put, Moment::MAX);
        let written = shelf.write(0, 0);
        assert_eq!(shelf.floors, [written, 0]);
        assert!(shelf.is_too_old(loaded, written));
        assert!(!shelf.is_too_old(written, written));
        assert!(!shelf.is_too_old(put, written), "it may yet be put");
        let ended = shelf.moment();
        shelf.puts.insert(put, ended);
        let forgotten = shelf.moment();
        shelf.raise(0, forgotten);
        assert!(shelf.is_too_old(put, shelf.floors[0]));
        shelf.forgets();
        shelf.write(0, 0);
        shelf.raise(0, loaded);
        assert_eq!(shelf.floors[0], forgotten, "a floor does not sink");
    }
}
