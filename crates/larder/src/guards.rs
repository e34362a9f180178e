//! The columns that larder itself writes beside what it is told to: a version, a time of deletion, and when a row was made and changed.

use crate::entity::Entity;

/// The names of those columns, as far as a model has them.
#[doc(hidden)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Guards {
    pub version: Option<&'static str>,
    pub deleted_at: Option<Stamp>,
    pub created_at: Option<Stamp>,
    pub updated_at: Option<Stamp>,
}

/// A column that the database's clock is written into.
#[doc(hidden)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    pub(crate) column: &'static str,
    pub(crate) form: TimeForm,
}

/// How a column holds a time.
#[doc(hidden)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeForm {
    /// As the database has it, or Diesel writes it.
    Own,
    /// As [`types::Moment`](crate::types::Moment) does.
    Moment,
}

impl Guards {
    /// None of them.
    pub const NONE: Self = Self { version: None, deleted_at: None, created_at: None, updated_at: None };
}

/// An entity whose rows count their changes: `#[larder(version)]` on a field.
#[diagnostic::on_unimplemented(
    message = "rows of `{Self}` have no version",
    label = "no field of this counts its changes",
    note = "write `#[larder(version)]` on a field of `{Self}` that is an `i32` or an `i64`"
)]
pub trait Versioned: Entity {}

/// An entity whose rows stay in their table when they are deleted: `#[larder(soft_delete = field)]`.
#[diagnostic::on_unimplemented(
    message = "rows of `{Self}` are gone when they are deleted",
    label = "nothing of this says when a row was deleted",
    note = "write `#[larder(soft_delete = deleted_at)]` on `{Self}`, where `deleted_at` is an `Option` of a time"
)]
pub trait SoftDelete: Entity {}

/// What a version can be: an `i32` or an `i64`.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be a version",
    label = "this does not count",
    note = "a version is an `i32` or an `i64` that is not NULL"
)]
pub trait VersionField: Copy + Into<i64> {}

impl VersionField for i32 {}
impl VersionField for i64 {}

/// What the database's clock can be written into.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no time that the database's clock can be written into",
    label = "no time",
    note = "use `chrono::NaiveDateTime` (`Timestamp`), `chrono::DateTime<Utc>` (`Timestamptz`) or `std::time::SystemTime`"
)]
pub trait TimeField {
    const FORM: TimeForm = TimeForm::Own;
}

impl TimeField for std::time::SystemTime {}
#[cfg(feature = "chrono")]
impl TimeField for chrono::NaiveDateTime {}
#[cfg(feature = "chrono")]
impl<Z: chrono::TimeZone> TimeField for chrono::DateTime<Z> {}
#[cfg(feature = "chrono")]
impl TimeField for crate::types::Moment {
    const FORM: TimeForm = TimeForm::Moment;
}
impl<T: TimeField> TimeField for Option<T> {
    const FORM: TimeForm = T::FORM;
}

/// What can say that a row is deleted, and when that was.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't say whether a row is deleted",
    label = "not an `Option` of a time",
    note = "a row that is not deleted has NULL there: use an `Option` of a time"
)]
pub trait DeletedField {
    const FORM: TimeForm;

    fn is_deleted(&self) -> bool;
}

impl<T: TimeField> DeletedField for Option<T> {
    const FORM: TimeForm = T::FORM;

    fn is_deleted(&self) -> bool {
        self.is_some()
    }
}

/// The number of a version.
#[doc(hidden)]
#[must_use]
pub fn version_of<T: VersionField>(version: &T) -> Option<i64> {
    Some((*version).into())
}

/// Whether a row is deleted that has this time of its deletion.
#[doc(hidden)]
#[must_use]
pub fn is_deleted<T: DeletedField>(deleted_at: &T) -> bool {
    deleted_at.is_deleted()
}

/// A column of a time.
#[doc(hidden)]
#[must_use]
pub const fn stamp<T: TimeField>(column: &'static str) -> Option<Stamp> {
    Some(Stamp { column, form: T::FORM })
}

/// The column that says when a row was deleted.
#[doc(hidden)]
#[must_use]
pub const fn deletion<T: DeletedField>(column: &'static str) -> Option<Stamp> {
    Some(Stamp { column, form: T::FORM })
}
