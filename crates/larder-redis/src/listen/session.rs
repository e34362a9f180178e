use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use larder::store::{Announcement, Nonce, Position, StoreError};
use redis::{PushKind, Value};

use super::{Pace, Seat};
use crate::{
    error::{from_server, senseless},
    message::{Asked, Message, parse_place},
    names::Names,
    reign::Reign,
    request::{Request, milliseconds},
    scripts,
    wire::Wire,
};

/// One connection on which a listener is told.
///
/// The server puts what is published and what it answers into one queue: all that was published before it got to a question comes
/// before its answer.
pub(super) struct Session<'l> {
    wire: Wire,
    reign: Reign,
    names: &'l Names,
    pace: Pace,
    seat: &'l Seat,
    /// Under which name writers know of it: never that of another session, which may have missed what they announced.
    name: Nonce,
    is_registered: bool,
    /// What the next answers are to, in their order.
    open: VecDeque<Sent>,
    n_questions: u64,
    /// Who waits to hear that it was told.
    asked: Vec<Asked>,
}

/// What was sent and is not answered yet.
enum Sent {
    /// "Are you still in the reign in which you were met?" It comes before each question.
    Reign,
    Question(Question),
    /// Something of which only an error would be news.
    Remark,
}

/// "Have I been told everything?"
struct Question {
    number: u64,
    /// By the listener's clock, before it was sent.
    sent: Duration,
    /// Whether it registers the listener as one that holds copies of strict models.
    registers: bool,
    until: Instant,
}

impl<'l> Session<'l> {
    pub(super) fn new(wire: Wire, reign: Reign, names: &'l Names, pace: Pace, seat: &'l Seat) -> Self {
        Self {
            wire,
            reign,
            names,
            pace,
            seat,
            name: Nonce::fresh(),
            is_registered: false,
            open: VecDeque::new(),
            n_questions: 0,
            asked: Vec::new(),
        }
    }

    /// Subscribes, and tells the listener from where on it is told.
    pub(super) fn join(&mut self, until: Instant) -> Result<(), StoreError> {
        let mut request = Request::default();
        request.command(2).arg(&[b"SUBSCRIBE"]).arg(&[self.names.changed()]);
        request.command(2).arg(&[b"GET"]).arg(&[self.names.announced()]);
        self.wire.send(&request, until)?;
        let mut is_subscribed = false;
        loop {
            match self.wire.receive(until)? {
                Some(Value::Push { kind: PushKind::Subscribe, .. }) => is_subscribed = true,
                // It comes before the place, which has it in it.
                Some(Value::Push { kind: PushKind::Message, .. }) if is_subscribed => {}
                Some(Value::ServerError(error)) => return Err(from_server(&error)),
                Some(answer) if is_subscribed => {
                    let place = self.place(&answer)?;
                    self.seat.joined(place);
                    return Ok(());
                }
                Some(_) => return Err(senseless("a subscription is confirmed")),
                None => return Err(StoreError::timed_out("the server did not subscribe in time")),
            }
        }
    }

    /// The place that the server knows, if it is of this reign of it.
    fn place(&self, answer: &Value) -> Result<Option<Position>, StoreError> {
        match answer {
            Value::Nil => Ok(None),
            Value::BulkString(bytes) => {
                let place = bytes.strip_prefix(&self.reign.fence().0).and_then(parse_place);
                Ok(place.map(|(place, _)| place))
            }
            _ => Err(senseless("GET answers with a string")),
        }
    }

    /// Tells the listener what comes, and asks for proof, until the line is lost or not wanted any more.
    pub(super) fn listen(&mut self) -> Result<(), StoreError> {
        let mut ask_at = Instant::now();
        while !self.seat.is_closed() {
            let question = self.open.iter().find_map(|sent| match sent {
                Sent::Question(question) => Some(question.until),
                Sent::Reign | Sent::Remark => None,
            });
            let now = Instant::now();
            let until = match question {
                Some(until) if until <= now => return Err(StoreError::timed_out("the server did not answer in time")),
                Some(until) => until,
                None if ask_at <= now => {
                    ask_at = now + self.pace.every;
                    self.ask(now + self.pace.patience)?;
                    continue;
                }
                None => ask_at,
            };
            // Who waits is answered when nothing more has been read, so that one answer may be for many.
            let until = if self.asked.is_empty() { until } else { now };
            match self.wire.receive(until)? {
                Some(value) => self.take(value)?,
                None => self.reply()?,
            }
        }
        Ok(())
    }

    fn ask(&mut self, until: Instant) -> Result<(), StoreError> {
        self.n_questions += 1;
        let (number, registers) = (self.n_questions, self.seat.wants_strict());
        let mut request = Request::default();
        // A server that was made a replica goes on to pass on what is published on its master, late; and of what was published while it was
        // one, some may never have reached it.
        request.command(2).arg(&[b"INFO"]).arg(&[b"replication"]);
        self.open.push_back(Sent::Reign);
        if registers {
            // From before it is sent: after that the server may name it to writers at any time.
            self.is_registered = true;
            if !self.seat.register(self.name) {
                return Ok(());
            }
            request.command(8).arg(&[b"EVAL"]).arg(&[scripts::RENEW.as_bytes()]).number(1).arg(&[self.names.holders()]);
            request
                .arg(&[&self.reign.fence().0])
                .number(milliseconds(self.pace.strict.listed_for()))
                .arg(&[self.name.as_bytes()]);
        } else {
            request.command(2).arg(&[b"PING"]);
        }
        request.number(number);
        // Read last, and before it is sent: a proof is as old as its question.
        let Some(sent) = self.seat.tell(|listener| listener.now()) else { return Ok(()) };
        self.open.push_back(Sent::Question(Question { number, sent, registers, until }));
        self.wire.send(&request, until)
    }

    fn take(&mut self, value: Value) -> Result<(), StoreError> {
        match value {
            Value::Push { kind: PushKind::Message, data } => self.dropped(&data),
            Value::Push { .. } => Err(senseless("nothing but messages comes unasked")),
            answer => match (self.open.pop_front(), answer) {
                (Some(Sent::Question(question)), answer) => self.proven(&question, &answer),
                (Some(Sent::Reign), answer) => match self.reign.lasts(&answer)? {
                    true => Ok(()),
                    false => Err(StoreError::refused("the server is not in the reign in which it was met any more")),
                },
                (Some(Sent::Remark), Value::Int(_)) => Ok(()),
                (Some(Sent::Remark), Value::ServerError(error)) => Err(from_server(&error)),
                _ => Err(senseless("an answer is to a question")),
            },
        }
    }

    fn dropped(&mut self, data: &[Value]) -> Result<(), StoreError> {
        let [Value::BulkString(channel), Value::BulkString(payload)] = data else {
            return Err(senseless("a message has a channel and a text"));
        };
        let message = Message::parse(payload).filter(|_| **channel == *self.names.changed());
        let Some(Message { keys, place, asked }) = message else {
            return Err(senseless("a message tells of cells"));
        };
        self.seat.tell(|listener| listener.dropped(&Announcement { keys: &keys, place }));
        // Nobody waits for those who have never said that they hold copies.
        self.asked.extend(asked.filter(|_| self.is_registered));
        Ok(())
    }

    fn proven(&self, question: &Question, answer: &Value) -> Result<(), StoreError> {
        let is_its_number = match answer {
            Value::BulkString(text) => *text == question.number.to_string().into_bytes(),
            Value::ServerError(error) => return Err(from_server(error)),
            _ => false,
        };
        if !is_its_number {
            return Err(senseless("an answer repeats the number of its question"));
        }
        let strict_for = question.registers.then_some(self.pace.strict.horizon);
        self.seat.tell(|listener| listener.proven(question.sent, strict_for));
        Ok(())
    }

    /// Tells those who wait that the copies are dropped: each with one message for all of its writes.
    fn reply(&mut self) -> Result<(), StoreError> {
        self.asked.sort_by_key(|asked| *asked.asker.as_bytes());
        let mut request = Request::default();
        for same in self.asked.chunk_by(|one, other| one.asker == other.asker) {
            let channel = self.names.dropped(&same[0].asker);
            let mut payload = self.name.as_bytes().to_vec();
            same.iter().for_each(|asked| payload.extend_from_slice(asked.nonce.as_bytes()));
            request.command(3).arg(&[b"PUBLISH"]).arg(&[&channel]).arg(&[&payload]);
            self.open.push_back(Sent::Remark);
        }
        self.asked.clear();
        if request.n_commands() == 0 { Ok(()) } else { self.wire.send(&request, Instant::now() + self.pace.patience) }
    }

    /// Takes the listener off the list, so that no writer waits for it. The connection is not read from any more.
    pub(super) fn leave(&mut self, until: Instant) {
        if self.is_registered {
            let mut request = Request::default();
            request.command(3).arg(&[b"ZREM"]).arg(&[self.names.holders()]).arg(&[self.name.as_bytes()]);
            // If that fails, it is taken off when its time is over.
            let _ = self.wire.send(&request, until);
        }
    }
}
