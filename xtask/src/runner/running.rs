use std::{
    io::{BufRead as _, BufReader, Read as _},
    process::{Child, ChildStdout, ExitStatus},
    sync::Arc,
    thread,
};

use rustix::process::{Pid, Signal, kill_process_group};

use super::Interruption;
use crate::failure::Failure;

/// A command that runs beside others. Asked to end when it is dropped, killed if that takes too long, and gone after it.
pub(crate) struct Running {
    name: String,
    child: Child,
    group: Option<Pid>,
    state: Arc<Interruption>,
    has_ended: bool,
}

impl Running {
    pub(super) fn new(name: String, child: Child, group: Option<Pid>, state: Arc<Interruption>) -> Self {
        Self { name, child, group, state, has_ended: false }
    }

    /// Waits until it ends by itself, or because somebody interrupts.
    pub(crate) fn wait(mut self) -> Result<ExitStatus, Failure> {
        self.waited()
    }

    /// Waits as [`wait`](Self::wait) does, and takes all that it prints, which has to be piped.
    pub(crate) fn output(mut self) -> Result<(ExitStatus, String), Failure> {
        let mut text = String::new();
        if let Some(mut output) = self.child.stdout.take() {
            output.read_to_string(&mut text).map_err(Failure::io(format!("read what {} says", self.name)))?;
        }
        Ok((self.waited()?, text))
    }

    /// Asks it to end, and waits until it has.
    pub(crate) fn end(mut self) -> Result<ExitStatus, Failure> {
        self.ask();
        self.waited()
    }

    /// What the first line that begins with `start` says after it; shows all that comes later. To be called once, of a command whose
    /// output is piped.
    ///
    /// # Errors
    /// It ended, or closed its output, without such a line.
    pub(crate) fn line_after(&mut self, start: &str) -> Result<String, Failure> {
        let mut lines = self.child.stdout.take().map(|output| BufReader::new(output).lines());
        while let Some(line) = lines.as_mut().and_then(Iterator::next) {
            let line = line.map_err(Failure::io(format!("read what {} says", self.name)))?;
            if let Some(rest) = line.strip_prefix(start) {
                let rest = rest.to_owned();
                self.show(lines);
                return Ok(rest);
            }
            println!("{line}");
        }
        Err(Failure::new(format!("{} has ended before it was ready", self.name)))
    }

    fn show(&self, lines: Option<std::io::Lines<BufReader<ChildStdout>>>) {
        let state = Arc::clone(&self.state);
        thread::spawn(move || {
            lines.into_iter().flatten().map_while(Result::ok).for_each(|line| println!("{line}"));
            state.lock().n_silent += 1;
            state.happened.notify_all();
        });
    }

    fn ask(&self) {
        // Who has interrupted has asked all of them already, and to ask twice is to say at once.
        let is_asked = self.state.lock().n_signals > 0;
        if let Some(group) = self.group.filter(|_| !is_asked) {
            // It may have ended by itself meanwhile.
            let _ = kill_process_group(group, Signal::TERM);
            self.state.kill_late(group);
        }
    }

    fn waited(&mut self) -> Result<ExitStatus, Failure> {
        let status = self.child.wait().map_err(Failure::io(format!("wait for {}", self.name)));
        self.has_ended = true;
        self.state.lock().groups.retain(|group| Some(*group) != self.group);
        status
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.has_ended {
            self.ask();
            // There is nobody left to tell.
            let _ = self.waited();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::super::tests::runner;

    #[test]
    fn what_runs_beside_others_is_heard_and_ends_with_its_children_when_it_is_dropped() {
        let runner = runner();
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "echo no; echo ready at $$; sleep 60 & wait"]).stdout(Stdio::piped());
        let mut running = runner.start(&mut command).unwrap();
        let id: i32 = running.line_after("ready at ").unwrap().parse().unwrap();
        let group = rustix::process::Pid::from_raw(id).unwrap();
        rustix::process::test_kill_process_group(group).unwrap();
        drop(running);
        // Its output is at its end only when the last of them has gone.
        runner.wait();
        rustix::process::test_kill_process(group).unwrap_err();
        assert!(runner.state.lock().groups.is_empty());
    }

    #[test]
    fn one_that_ends_before_it_is_ready_is_told() {
        let mut command = Command::new("/bin/sh");
        let mut running = runner().start(command.args(["-c", "echo no"]).stdout(Stdio::piped())).unwrap();
        let failure = running.line_after("ready").unwrap_err();
        assert!(format!("{failure:?}").contains("before it was ready"), "{failure:?}");
    }
}
