//! Places on the earth, as PostGIS has them.

use std::io::Write as _;

use diesel::{
    Expression,
    deserialize::{self, FromSql, FromSqlRow},
    expression::AsExpression,
    pg::{Pg, PgValue},
    query_builder::{AstPass, QueryFragment, QueryId},
    result::QueryResult,
    serialize::{self, IsNull, Output, ToSql},
    sql_types::{Bool, Double, Nullable, SingleValue, SqlType},
};

use crate::{
    codec::{Codec, Corrupt, Fingerprint, Input},
    types::expression::expression,
};

/// The SQL type `geography(Point, 4326)` of PostGIS.
#[derive(Debug, Clone, Copy, Default, SqlType, QueryId)]
#[diesel(postgres_type(name = "geography"))]
pub struct Geography;

/// A place on the earth (WGS 84), in a column of type `geography(Point, 4326)`.
///
/// ```
/// use diesel::prelude::*;
/// use larder::types::{Point, PointMethods as _};
///
/// diesel::table! {
///     use diesel::sql_types::BigInt;
///     use larder::types::Geography;
///
///     shops (id) { id -> BigInt, place -> Geography, }
/// }
///
/// #[derive(Debug, Clone, PartialEq, Queryable, Selectable, Identifiable, larder::Repository)]
/// #[diesel(table_name = shops, check_for_backend(diesel::pg::Pg))]
/// struct Shop {
///     id: i64,
///     place: Point,
/// }
///
/// # fn example(larder: &larder::Larder<diesel::pg::Pg>) -> larder::Result<()> {
/// let here = Point { longitude: 15.4395, latitude: 47.0707 };
/// let nearest = Shop::repository(larder).query(|q| q.order(shops::place.distance_to(here)).limit(5))?;
/// let around = Shop::repository(larder).query(|q| q.filter(shops::place.within(500.0, here)))?;
/// # Ok(())
/// # }
/// ```
///
/// A longitude beyond 180 degrees or a latitude beyond 90, east and north or west and south, is an error where it is sent.
///
/// Two points are equal if their bits are: the database keeps them as they are sent. It is no part of a key.
#[derive(Debug, Clone, Copy, PartialEq, Default, AsExpression, FromSqlRow)]
#[diesel(sql_type = Geography)]
pub struct Point {
    /// Degrees to the east.
    pub longitude: f64,
    /// Degrees to the north.
    pub latitude: f64,
}

impl Codec for Point {
    const FINGERPRINT: Fingerprint = Fingerprint::of("point");

    fn encode(&self, out: &mut Vec<u8>) {
        self.longitude.encode(out);
        self.latitude.encode(out);
    }

    fn decode(input: &mut Input<'_>) -> Result<Self, Corrupt> {
        Ok(Self { longitude: f64::decode(input)?, latitude: f64::decode(input)? })
    }

    fn heap_bytes(&self) -> usize {
        0
    }
}

/// A point with the number of its reference system, in PostGIS's extension of well-known binary.
const POINT: u32 = 1;
const HAS_SYSTEM: u32 = 0x2000_0000;
/// WGS 84.
const SYSTEM: u32 = 4_326;

impl ToSql<Geography, Pg> for Point {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
        // PostGIS takes other numbers for another place, and says so in a notice only.
        if !((-180.0..=180.0).contains(&self.longitude) && (-90.0..=90.0).contains(&self.latitude)) {
            return Err(format!("{self:?} is no place on the earth").into());
        }
        out.write_all(&[1])?;
        out.write_all(&(POINT | HAS_SYSTEM).to_le_bytes())?;
        out.write_all(&SYSTEM.to_le_bytes())?;
        out.write_all(&self.longitude.to_le_bytes())?;
        out.write_all(&self.latitude.to_le_bytes())?;
        Ok(IsNull::No)
    }
}

impl FromSql<Geography, Pg> for Point {
    fn from_sql(value: PgValue<'_>) -> deserialize::Result<Self> {
        point_of(value.as_bytes())
            .ok_or_else(|| "the column has something else than a point with two coordinates".into())
    }
}

fn point_of(bytes: &[u8]) -> Option<Point> {
    let (&order, rest) = bytes.split_first()?;
    let (kind, rest) = rest.split_first_chunk::<4>()?;
    let kind = if order == 1 { u32::from_le_bytes(*kind) } else { u32::from_be_bytes(*kind) };
    let rest = match kind {
        POINT => rest,
        kind if kind == POINT | HAS_SYSTEM => rest.get(4..)?,
        _ => return None,
    };
    let (longitude, rest) = rest.split_first_chunk::<8>()?;
    let (latitude, rest) = rest.split_first_chunk::<8>()?;
    let number = |bytes: &[u8; 8]| if order == 1 { f64::from_le_bytes(*bytes) } else { f64::from_be_bytes(*bytes) };
    let point = Point { longitude: number(longitude), latitude: number(latitude) };
    // An empty point is one of two that are no numbers.
    (rest.is_empty() && order < 2 && !point.longitude.is_nan()).then_some(point)
}

/// Questions to columns of type `geography`, NULL or not, which a GiST index on the column answers.
pub trait PointMethods: Expression<SqlType: IsGeography> + Sized {
    /// How far from there, in metres, on a sphere: up to half a percent from the spheroid, by which [`within`](Self::within) goes. In `order`, with a `limit`, the index gives the nearest first and reads no others.
    fn distance_to(self, point: Point) -> Distance<Self> {
        Distance { column: self, point }
    }

    /// Whether it is no farther from there than so many metres, on the spheroid.
    fn within(self, metres: f64, of: Point) -> Within<Self> {
        Within { column: self, point: of, metres }
    }
}

impl<C: Expression<SqlType: IsGeography>> PointMethods for C {}

/// `Geography` and `Nullable<Geography>`.
#[doc(hidden)]
pub trait IsGeography: SqlType + SingleValue {}

impl IsGeography for Geography {}
impl IsGeography for Nullable<Geography> {}

/// A distance, as [`PointMethods::distance_to`] makes it.
#[derive(Debug, Clone, Copy)]
pub struct Distance<C> {
    column: C,
    point: Point,
}

impl<C: QueryFragment<Pg>> QueryFragment<Pg> for Distance<C> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("(");
        self.column.walk_ast(out.reborrow())?;
        out.push_sql(" <-> ");
        out.push_bind_param::<Geography, _>(&self.point)?;
        out.push_sql(")");
        Ok(())
    }
}

/// A condition on a distance, as [`PointMethods::within`] makes it.
#[derive(Debug, Clone, Copy)]
pub struct Within<C> {
    column: C,
    point: Point,
    metres: f64,
}

impl<C: QueryFragment<Pg>> QueryFragment<Pg> for Within<C> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("ST_DWithin(");
        self.column.walk_ast(out.reborrow())?;
        out.push_sql(", ");
        out.push_bind_param::<Geography, _>(&self.point)?;
        out.push_sql(", ");
        out.push_bind_param::<Double, _>(&self.metres)?;
        out.push_sql(")");
        Ok(())
    }
}

expression!(Distance<C>: Nullable<Double>);
expression!(Within<C>: Nullable<Bool>);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_are_no_point_are_none() {
        let mut point = vec![0, 0, 0, 0, 1];
        point.extend([15.5_f64, -47.25].iter().flat_map(|number| number.to_be_bytes()));
        assert_eq!(point_of(&point), Some(Point { longitude: 15.5, latitude: -47.25 }));
        for end in 0..point.len() {
            assert_eq!(point_of(&point[..end]), None);
        }
        // A line, and a point of three coordinates.
        point[4] = 2;
        assert_eq!(point_of(&point), None);
        assert_eq!(point_of(&[&[0, 0x80, 0, 0, 1][..], &[0; 24]].concat()), None);
        let nowhere = [&[1, 1, 0, 0, 0][..], &f64::NAN.to_le_bytes(), &f64::NAN.to_le_bytes()].concat();
        assert_eq!(point_of(&nowhere), None);
    }
}
