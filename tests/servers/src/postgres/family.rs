use std::{fs, process::Command};

use crate::Error;

/// The processes that the process `parent` has started and that still run.
pub(crate) fn children(parent: u32) -> Result<Vec<u32>, Error> {
    let table = if fs::exists("/proc/self/stat").unwrap_or(false) { from_proc()? } else { from_ps()? };
    Ok(table.into_iter().filter(|&(_, of)| of == parent).map(|(pid, _)| pid).collect())
}

/// Every process with its parent, on Linux, where `ps` need not be installed.
fn from_proc() -> Result<Vec<(u32, u32)>, Error> {
    let processes = fs::read_dir("/proc").map_err(Error::system("read /proc"))?;
    Ok(processes
        .filter_map(|process| {
            let process = process.ok()?;
            let pid = process.file_name().to_str()?.parse().ok()?;
            // A process may end while it is being read: then it is no child any more.
            let stat = fs::read_to_string(process.path().join("stat")).ok()?;
            Some((pid, parent_in(&stat)?))
        })
        .collect())
}

/// The parent in a line of `/proc/<pid>/stat`, after a name that may have blanks and parentheses.
fn parent_in(stat: &str) -> Option<u32> {
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

fn from_ps() -> Result<Vec<(u32, u32)>, Error> {
    let output = Command::new("ps").args(["-A", "-o", "pid=,ppid="]).output().map_err(Error::system("run ps"))?;
    Ok(String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| {
            let (pid, parent) = line.trim().split_once(' ')?;
            Some((pid.parse().ok()?, parent.trim().parse().ok()?))
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_does_not_hide_the_parent() {
        assert_eq!(parent_in("42 (postgres: (x) y) S 17 42 42 0"), Some(17));
        assert_eq!(parent_in("nonsense"), None);
    }

    #[test]
    fn a_started_process_is_a_child() -> Result<(), Error> {
        let mut child = Command::new("sleep").arg("60").spawn().map_err(Error::system("run sleep"))?;
        let found = children(std::process::id())?.contains(&child.id());
        child.kill().and_then(|()| child.wait()).map_err(Error::system("end sleep"))?;
        assert!(found);
        Ok(())
    }
}
