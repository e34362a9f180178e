//! Migrations in folders, by the diesel CLI's rules.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use larder::doctor::Migration;

/// Writes each into a folder of its own, behind all that are there.
pub(super) fn write(into: &Path, migrations: &[Migration]) -> io::Result<Vec<PathBuf>> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let version = version(now);
    let mut written = Vec::with_capacity(migrations.len());
    for (number, migration) in migrations.iter().enumerate() {
        let folder = into.join(format!("{version}-{number:04}_{}", migration.name));
        // Nothing that is there is written over.
        fs::create_dir_all(into)?;
        fs::create_dir(&folder)?;
        fs::write(folder.join("down.sql"), &migration.down)?;
        if let Some(metadata) = migration.metadata {
            fs::write(folder.join("metadata.toml"), metadata)?;
        }
        fs::write(folder.join("up.sql"), &migration.up)?;
        written.push(folder);
    }
    Ok(written)
}

/// The time as versions have it: `2026-01-31-235959`.
fn version(seconds: u64) -> String {
    let (mut days, second) = (seconds / 86_400, seconds % 86_400);
    let is_leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let mut year = 1970;
    loop {
        let length = if is_leap(year) { 366 } else { 365 };
        if days < length {
            break;
        }
        days -= length;
        year += 1;
    }
    let february = if is_leap(year) { 29 } else { 28 };
    let mut month = 1;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30] {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    let (hour, minute) = (second / 3_600, second / 60 % 60);
    format!("{year}-{month:02}-{:02}-{hour:02}{minute:02}{:02}", days + 1, second % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_instants_in_their_order() {
        for (seconds, expected) in [
            (0, "1970-01-01-000000"),
            (951_782_399, "2000-02-28-235959"),
            (951_868_799, "2000-02-29-235959"),
            (1_798_761_599, "2026-12-31-235959"),
        ] {
            assert_eq!(version(seconds), expected);
        }
    }
}
