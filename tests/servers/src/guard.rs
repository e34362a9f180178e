use std::{
    io::Write as _,
    os::unix::process::CommandExt as _,
    path::Path,
    process::{Child, Command, Stdio},
};

use crate::Error;

/// Reads the process to watch from its input. At the end of the input without an `end` before it, the program has died:
/// ends that process (waking it first, should it be frozen) and deletes the directory.
const SCRIPT: &str = r#"
trap '' HUP INT QUIT TERM
pid=
while read -r line; do
    case $line in
        end) exit 0 ;;
        none) pid= ;;
        *) pid=$line ;;
    esac
done
if [ -n "$pid" ]; then
    kill -s "$2" "$pid"
    kill -s CONT "$pid"
    tries=0
    while kill -s 0 "$pid" && [ "$tries" -lt 100 ]; do
        sleep 0.1
        tries=$((tries + 1))
    done
    kill -s KILL "$pid"
fi
rm -rf -- "$1"
"#;

/// A shell that outlives the program, to end its server and delete its directory when the program itself no longer can.
#[derive(Debug)]
pub(crate) struct Guard {
    shell: Child,
}

impl Guard {
    /// Guards `directory`; the server in it ends at once on the signal of that name.
    pub(crate) fn new(directory: &Path, signal: &str) -> Result<Self, Error> {
        let shell = Command::new("/bin/sh")
            .args(["-c", SCRIPT, "guard"])
            .arg(directory)
            .arg(signal)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // Out of reach of a Ctrl-C, and of whoever kills the program with all its group.
            .process_group(0)
            .spawn()
            .map_err(Error::system("start /bin/sh"))?;
        Ok(Self { shell })
    }

    pub(crate) fn watch(&mut self, pid: u32) {
        self.tell(&pid.to_string());
    }

    pub(crate) fn forget(&mut self) {
        self.tell("none");
    }

    fn tell(&mut self, line: &str) {
        if let Some(input) = &mut self.shell.stdin {
            // Without its guard a server is still ended on drop, so a guard that somebody has killed is no reason to fail.
            let _ = writeln!(input, "{line}");
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.tell("end");
        let _ = self.shell.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_dies_takes_its_server_and_directory_along() {
        let directory = tempfile::tempdir().unwrap();
        let mut server = Command::new("sleep").arg("60").spawn().unwrap();
        let mut guard = Guard::new(directory.path(), "KILL").unwrap();
        guard.watch(server.id());
        // All that the shell hears of a program's death is the end of its input.
        drop(guard.shell.stdin.take());
        assert!(!server.wait().unwrap().success());
        guard.shell.wait().unwrap();
        assert!(!directory.path().exists());
    }

    #[test]
    fn a_program_that_ends_in_good_order_keeps_what_it_has() {
        let directory = tempfile::tempdir().unwrap();
        let mut server = Command::new("sleep").arg("60").spawn().unwrap();
        let mut guard = Guard::new(directory.path(), "KILL").unwrap();
        guard.watch(server.id());
        drop(guard);
        assert!(server.try_wait().unwrap().is_none());
        assert!(directory.path().exists());
        server.kill().unwrap();
        server.wait().unwrap();
    }
}
