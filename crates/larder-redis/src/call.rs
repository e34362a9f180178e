//! One run of a script, as the command for it.

use crate::{request::Request, scripts::Script};

/// An `EVALSHA` whose arguments are counted when all of them are there.
pub(crate) struct Call {
    script: &'static Script,
    keys: Vec<Vec<u8>>,
    args: Vec<Vec<u8>>,
}

impl Call {
    pub(crate) fn new(script: &'static Script, keys: Vec<Vec<u8>>) -> Self {
        Self { script, keys, args: Vec::new() }
    }

    pub(crate) fn arg(mut self, arg: &[u8]) -> Self {
        self.args.push(arg.to_vec());
        self
    }

    pub(crate) fn number(self, n: u64) -> Self {
        self.arg(n.to_string().as_bytes())
    }

    /// The script, and the command to run it by.
    pub(crate) fn finish(self) -> (&'static Script, Request) {
        let n_bytes = self.keys.iter().chain(&self.args).map(|part| 16 + part.len()).sum::<usize>();
        let mut request = Request::with_capacity(96 + n_bytes);
        request.command(3 + self.keys.len() + self.args.len());
        request.arg(&[b"EVALSHA"]).arg(&[self.script.hash.as_bytes()]).number(self.keys.len() as u64);
        for part in self.keys.iter().chain(&self.args) {
            request.arg(&[part]);
        }
        (self.script, request)
    }
}
