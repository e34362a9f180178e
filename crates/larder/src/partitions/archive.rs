//! Rows that are written to a file before they are dropped.

use std::{
    fs::{self, File},
    io::{self, BufReader, BufWriter, Read as _, Write as _},
    path::{Path, PathBuf},
};

use diesel::{
    Connection as _, PgConnection, QueryableByName, RunQueryDsl,
    connection::SimpleConnection,
    sql_query,
    sql_types::{BigInt, Text},
};

use super::{
    catalogue::{Named, number},
    error::Error,
    marks,
};

/// How many rows are fetched at once.
const N_ROWS: usize = 2_000;

/// A file that has all rows of a table.
pub(super) struct Archived {
    pub(super) path: PathBuf,
    pub(super) n_rows: i64,
}

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = Text)]
    text: String,
}

#[derive(QueryableByName)]
struct Plan {
    #[diesel(sql_type = Text)]
    header: String,
    #[diesel(sql_type = Text)]
    line: String,
}

#[derive(QueryableByName)]
struct Counted {
    #[diesel(sql_type = BigInt)]
    n: i64,
}

/// What `COPY .. FROM .. (FORMAT csv, HEADER)` reads: all values quoted, and NULL as nothing at all.
const PLAN: &str = r#"
    SELECT string_agg('"' || replace(attname, '"', '""') || '"', ',' ORDER BY attnum) AS header,
           string_agg(format('CASE WHEN %1$I IS NULL THEN '''' ELSE ''"'' || replace(CAST(%1$I AS text), ''"'', ''""'') || ''"'' END', attname),
                      ' || '','' || ' ORDER BY attnum) AS line
    FROM pg_attribute
    WHERE attrelid = CAST($1 AS regclass) AND attnum > 0 AND NOT attisdropped AND attgenerated = ''"#;

/// Writes all rows of a table to `<folder>/<schema>.<table>.csv`, as one snapshot has them. The file has that name when it is whole and on the
/// disk. One that was there before is left: if it is the same one, nothing is added, or else the new one gets a number.
pub(super) fn archive(connection: &mut PgConnection, table: &Named, folder: &Path) -> Result<Archived, Error> {
    let stem: String =
        table.sql.chars().filter(|char| *char != '"').map(|char| if char == '/' { '_' } else { char }).collect();
    let unfinished = folder.join(format!("{stem}.csv.unfinished"));
    let at = |path: &Path| {
        let path = path.to_owned();
        move |source| Error::Archive { path, source }
    };
    fs::create_dir_all(folder).map_err(at(folder))?;
    let n_rows = connection.transaction(|connection| {
        // Values are written as every server reads them, and counted as they are written.
        connection.batch_execute(
            "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY;
             SET LOCAL DateStyle = 'ISO, YMD'; SET LOCAL IntervalStyle = 'iso_8601'; SET LOCAL bytea_output = 'hex';
             SET LOCAL extra_float_digits = 1",
        )?;
        let plan: Plan = sql_query(PLAN).bind::<Text, _>(&table.sql).get_result(connection)?;
        let Counted { n } = sql_query(format!("SELECT count(*) AS n FROM {}", table.sql)).get_result(connection)?;
        connection.batch_execute(&format!(
            "DECLARE larder_rows NO SCROLL CURSOR FOR SELECT {} AS text FROM {}",
            plan.line, table.sql
        ))?;
        let mut file = BufWriter::new(File::create(&unfinished).map_err(at(&unfinished))?);
        let mut write = |line: &str| writeln!(file, "{line}").map_err(at(&unfinished));
        write(&plan.header)?;
        let mut n_written: i64 = 0;
        loop {
            let lines: Vec<Line> = sql_query(format!("FETCH {N_ROWS} FROM larder_rows")).load(connection)?;
            if lines.is_empty() {
                break;
            }
            for Line { text } in lines {
                write(&text)?;
                n_written += 1;
            }
        }
        let file = file.into_inner().map_err(io::IntoInnerError::into_error);
        file.and_then(|file| file.sync_all()).map_err(at(&unfinished))?;
        if n_written == n {
            Ok(n)
        } else {
            Err(Error::Changed { partition: table.sql.clone(), archived: n_written, found: n })
        }
    })?;
    let path = settle(&unfinished, folder, &stem).map_err(at(&unfinished))?;
    Ok(Archived { path, n_rows })
}

/// The file that a keeper before this one has ended, if the table has as many rows as it.
pub(super) fn archived(connection: &mut PgConnection, table: &Named, folder: &Path) -> Result<Option<Archived>, Error> {
    let Some(archived) = marks::archive_of(&table.comment, folder).filter(|archived| archived.path.is_file()) else {
        return Ok(None);
    };
    let n_rows = number(connection, &format!("SELECT count(*) FROM {}", table.sql))?;
    Ok(Some(archived).filter(|archived| n_rows == Some(archived.n_rows)))
}

/// Gives the file its name, and sees to it that it still has that after a power cut.
fn settle(unfinished: &Path, folder: &Path, stem: &str) -> io::Result<PathBuf> {
    for number in 1_u32.. {
        let number = if number == 1 { String::new() } else { format!(".{number}") };
        let path = folder.join(format!("{stem}{number}.csv"));
        if !path.try_exists()? {
            fs::rename(unfinished, &path)?;
            File::open(folder)?.sync_all()?;
            return Ok(path);
        }
        if is_same(unfinished, &path)? {
            fs::remove_file(unfinished)?;
            return Ok(path);
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

fn is_same(one: &Path, other: &Path) -> io::Result<bool> {
    if fs::metadata(one)?.len() != fs::metadata(other)?.len() {
        return Ok(false);
    }
    let (one, other) = (BufReader::new(File::open(one)?), BufReader::new(File::open(other)?));
    for (one, other) in one.bytes().zip(other.bytes()) {
        if one? != other? {
            return Ok(false);
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_archive_is_written_over() {
        let folder = tempfile::tempdir().unwrap();
        let finish = |text: &str| {
            let unfinished = folder.path().join("new");
            fs::write(&unfinished, text).unwrap();
            let path = settle(&unfinished, folder.path(), "public.orders_p20240101").unwrap();
            assert!(!unfinished.exists());
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
            path.file_name().unwrap().to_str().unwrap().to_owned()
        };
        assert_eq!(finish("one"), "public.orders_p20240101.csv");
        assert_eq!(finish("two"), "public.orders_p20240101.2.csv");
        assert_eq!(finish("one"), "public.orders_p20240101.csv");
        assert_eq!(finish("other"), "public.orders_p20240101.3.csv");
    }
}
