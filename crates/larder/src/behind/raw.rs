//! Values of any type, many at once, as PostgreSQL's binary arrays.

use std::{fmt, io::Write as _};

use diesel::{
    pg::{Pg, PgMetadataLookup, PgTypeMetadata},
    serialize::{self, IsNull, ToSql},
    sql_types::HasSqlType,
};

/// What stands before it in the statement says of which type it is.
pub(super) struct Raw;

impl HasSqlType<Raw> for Pg {
    fn metadata(_: &mut (dyn PgMetadataLookup + 'static)) -> PgTypeMetadata {
        PgTypeMetadata::new(0, 0)
    }
}

/// An array in its binary form.
pub(super) struct RawArray<'v> {
    /// The number of its elements' type.
    pub(super) element: u32,
    pub(super) values: Vec<Option<&'v [u8]>>,
}

impl fmt::Debug for RawArray<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawArray").field("len", &self.values.len()).finish_non_exhaustive()
    }
}

impl ToSql<Raw, Pg> for RawArray<'_> {
    fn to_sql<'b>(&'b self, out: &mut serialize::Output<'b, '_, Pg>) -> serialize::Result {
        let has_null = self.values.iter().any(Option::is_none);
        // One dimension, which begins at 1.
        for number in [1, i32::from(has_null)] {
            out.write_all(&number.to_be_bytes())?;
        }
        out.write_all(&self.element.to_be_bytes())?;
        for number in [i32::try_from(self.values.len())?, 1] {
            out.write_all(&number.to_be_bytes())?;
        }
        for value in &self.values {
            match value {
                None => out.write_all(&(-1_i32).to_be_bytes())?,
                Some(bytes) => {
                    out.write_all(&i32::try_from(bytes.len())?.to_be_bytes())?;
                    out.write_all(bytes)?;
                }
            }
        }
        Ok(IsNull::No)
    }
}

/// One value in its binary form.
pub(super) struct RawValue<'v>(pub(super) Option<&'v [u8]>);

impl fmt::Debug for RawValue<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RawValue")
    }
}

impl ToSql<Raw, Pg> for RawValue<'_> {
    fn to_sql<'b>(&'b self, out: &mut serialize::Output<'b, '_, Pg>) -> serialize::Result {
        let Some(bytes) = self.0 else { return Ok(IsNull::Yes) };
        out.write_all(bytes)?;
        Ok(IsNull::No)
    }
}
