//! The workers' processes.

use std::{
    fs::File,
    io::Read as _,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::mpsc::SyncSender,
    thread::{self, JoinHandle},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};

use crate::{Result, clock::now, judge::Message, pace::wait_until, worker::Work};

/// How long a worker may take to end its last operation.
const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Debug)]
pub(crate) struct Crew {
    program: PathBuf,
    work: Work,
    judge: SyncSender<Message>,
    /// Where workers complain.
    log: File,
    members: Vec<Option<Member>>,
    n_started: u32,
}

#[derive(Debug)]
struct Member {
    child: Child,
    /// Hands what the worker says to the judge, until it says no more.
    listener: JoinHandle<()>,
}

impl Crew {
    /// A crew of which nobody is at work yet.
    pub(crate) fn new(program: PathBuf, work: Work, n_members: usize, judge: SyncSender<Message>, log: File) -> Self {
        let members = std::iter::repeat_with(|| None).take(n_members).collect();
        Self { program, work, judge, log, members, n_started: 0 }
    }

    pub(crate) fn len(&self) -> usize {
        self.members.len()
    }

    pub(crate) fn start_all(&mut self) -> Result<()> {
        (0..self.len()).try_for_each(|index| self.start(index))
    }

    /// Starts a worker in the place of one that is no more.
    pub(crate) fn start(&mut self, index: usize) -> Result<()> {
        let process = self.n_started;
        self.n_started += 1;
        let work = Work { seed: self.work.seed.wrapping_add(process.into()), ..self.work.clone() };
        // Before the process: nothing that it does began earlier.
        self.judge.send(Message::Started { process, n_threads: work.n_threads, at: now() })?;
        let mut child = Command::new(&self.program)
            .args(work.to_arguments())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(self.log.try_clone()?)
            .spawn()?;
        let mut output = child.stdout.take().ok_or("a worker without output")?;
        let judge = self.judge.clone();
        let listener = thread::spawn(move || {
            let mut bytes = vec![0; 64 * 1024];
            // An error is an end as well.
            while let Ok(n @ 1..) = output.read(&mut bytes) {
                if judge.send(Message::Said { process, bytes: bytes[..n].to_vec() }).is_err() {
                    return;
                }
            }
            // The output is closed when the last thread is gone: nothing that the process did was later. If nobody listens any
            // more, nobody needs to know.
            let _ = judge.send(Message::Ended { process, at: now() });
        });
        self.members[index] = Some(Member { child, listener });
        Ok(())
    }

    /// Ends a worker in the middle of what it does.
    pub(crate) fn kill(&mut self, index: usize) -> Result<()> {
        let Some(mut member) = self.members[index].take() else { return Ok(()) };
        if let Some(status) = member.child.try_wait()? {
            return Err(format!("a worker has ended by itself: {status}").into());
        }
        member.child.kill()?;
        member.child.wait()?;
        member.listener.join().map_err(|_| "a listener panicked")?;
        Ok(())
    }

    /// Lets a worker stand still, or go on.
    pub(crate) fn freeze(&self, index: usize, is_frozen: bool) -> Result<()> {
        let Some(member) = &self.members[index] else { return Ok(()) };
        let pid = i32::try_from(member.child.id()).ok().and_then(Pid::from_raw).ok_or("a process has an id")?;
        Ok(kill_process(pid, if is_frozen { Signal::STOP } else { Signal::CONT })?)
    }

    /// Lets every worker end what it is at, and waits for it.
    ///
    /// # Errors
    /// One had ended before by itself, or does not end.
    pub(crate) fn dismiss(mut self) -> Result<()> {
        let mut members: Vec<Member> = self.members.drain(..).flatten().collect();
        for member in &mut members {
            if let Some(status) = member.child.try_wait()? {
                return Err(format!("a worker has ended by itself: {status}").into());
            }
            drop(member.child.stdin.take());
        }
        let mut complaints = Vec::new();
        for mut member in members {
            if !wait_until(PATIENCE, || !matches!(member.child.try_wait(), Ok(None))) {
                complaints.push(format!("a worker has not ended within {PATIENCE:?}"));
                member.child.kill()?;
            }
            let status = member.child.wait()?;
            if complaints.is_empty() && !status.success() {
                complaints.push(format!("a worker has failed: {status}"));
            }
            member.listener.join().map_err(|_| "a listener panicked")?;
        }
        if complaints.is_empty() { Ok(()) } else { Err(complaints.join("; ").into()) }
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        for member in self.members.iter_mut().flatten() {
            // There is nobody left to tell.
            let _ = member.child.kill();
            let _ = member.child.wait();
        }
    }
}
