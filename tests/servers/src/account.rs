use std::{
    fs,
    os::unix::{fs::chown, process::CommandExt as _},
    path::Path,
    process::Command,
};

use crate::Error;

/// The user that servers run as.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Account {
    /// Whoever runs the program.
    Own,
    /// Somebody with fewer rights, because the program runs as root.
    Other { uid: u32, gid: u32 },
}

impl Account {
    pub(crate) fn for_servers() -> Result<Self, Error> {
        if !rustix::process::geteuid().is_root() {
            return Ok(Self::Own);
        }
        let passwd = fs::read_to_string("/etc/passwd").map_err(Error::system("read /etc/passwd"))?;
        ["postgres", "nobody"]
            .iter()
            .find_map(|name| find(&passwd, name))
            .ok_or(Error::Missing { program: "a user called postgres or nobody", package: "postgresql" })
    }

    pub(crate) fn own(self, path: &Path) -> Result<(), Error> {
        match self {
            Self::Own => Ok(()),
            Self::Other { uid, gid } => {
                chown(path, Some(uid), Some(gid)).map_err(Error::system(format!("give {} away", path.display())))
            }
        }
    }

    pub(crate) fn run(self, command: &mut Command) {
        if let Self::Other { uid, gid } = self {
            // The standard library drops root's supplementary groups on the way.
            command.uid(uid).gid(gid);
        }
    }
}

fn find(passwd: &str, name: &str) -> Option<Account> {
    let line = passwd.lines().find(|line| line.split(':').next() == Some(name))?;
    let mut ids = line.split(':').skip(2).map(str::parse);
    Some(Account::Other { uid: ids.next()?.ok()?, gid: ids.next()?.ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_found_by_its_whole_name() {
        let passwd = "postgres2:x:7:8::/:/bin/sh\npostgres:x:101:104:PostgreSQL,,,:/var/lib/postgresql:/bin/bash\n";
        assert!(matches!(find(passwd, "postgres"), Some(Account::Other { uid: 101, gid: 104 })));
        assert!(find(passwd, "nobody").is_none());
    }
}
