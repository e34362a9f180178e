//! The enums.

use super::{derive, imports::Imports, quoted};
use crate::init::{
    plan::{Enum, Plan},
    schema::Backend,
};

pub(super) fn enums(plan: &Plan<'_>, schema: &str) -> String {
    let mut imports = Imports::default();
    let (crate_path, value) = match plan.schema.backend {
        Backend::Mysql => ("diesel::mysql", "MysqlValue"),
        _ => ("diesel::pg", "PgValue"),
    };
    let backend = plan.schema.backend.path();
    let backend_name = backend.rsplit("::").next().unwrap_or(backend);
    imports.add(&[
        "diesel::deserialize",
        "diesel::deserialize::FromSql",
        "diesel::deserialize::FromSqlRow",
        "diesel::expression::AsExpression",
        "diesel::serialize",
        "diesel::serialize::IsNull",
        "diesel::serialize::Output",
        "diesel::serialize::ToSql",
        "larder::Codec",
        "larder::KeyPart",
        "serde::Deserialize",
        "serde::Serialize",
        "std::io::Write",
        backend,
        &format!("{crate_path}::{value}"),
    ]);
    imports.add_path(format!("{schema}::sql_types"));
    let mut out = format!("//! Types of the database that consist of words.\n\n{}", imports.text());
    for of_database in &plan.enums {
        out.push('\n');
        out.push_str(&one(of_database, backend_name, value));
    }
    out
}

fn one(of_database: &Enum<'_>, backend: &str, value: &str) -> String {
    let Enum { ident, custom, variants } = of_database;
    let sql = format!("sql_types::{}", custom.rust_name);
    let mut out = format!("/// The database's type `{}`.\n", custom.sql_name);
    out.push_str(&derive(&[
        "Debug",
        "Clone",
        "Copy",
        "PartialEq",
        "Eq",
        "Hash",
        "AsExpression",
        "FromSqlRow",
        "Serialize",
        "Deserialize",
        "Codec",
        "KeyPart",
    ]));
    out.push_str(&format!("#[diesel(sql_type = {sql})]\npub enum {ident} {{\n"));
    for (variant, word) in variants {
        let word = quoted(word);
        out.push_str(&format!("    /// {}\n    #[serde(rename = {word})]\n    {variant},\n", told(&word)));
    }
    out.push_str(&format!("}}\n\nimpl {ident} {{\n    /// The word that the database has for it.\n"));
    out.push_str("    #[must_use]\n    pub const fn as_str(self) -> &'static str {\n        match self {\n");
    for (variant, word) in variants {
        out.push_str(&format!("            Self::{variant} => {},\n", quoted(word)));
    }
    out.push_str("        }\n    }\n}\n\n");
    out.push_str(&format!(
        "impl ToSql<{sql}, {backend}> for {ident} {{\n    \
             fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, {backend}>) -> serialize::Result {{\n        \
                 out.write_all(self.as_str().as_bytes())?;\n        \
                 Ok(IsNull::No)\n    }}\n}}\n\n\
         impl FromSql<{sql}, {backend}> for {ident} {{\n    \
             fn from_sql(value: {value}<'_>) -> deserialize::Result<Self> {{\n        \
                 match value.as_bytes() {{\n"
    ));
    for (variant, word) in variants {
        out.push_str(&format!("            {} => Ok(Self::{variant}),\n", bytes(word)));
    }
    out.push_str(&format!(
        "            other => {{\n                \
                 let word = String::from_utf8_lossy(other);\n                \
                 Err(format!(\"{{word:?}} is no {ident}\").into())\n            }}\n        }}\n    }}\n}}\n"
    ));
    out
}

/// A word in documentation.
fn told(word: &str) -> String {
    format!("`{}`", word.trim_matches('"').replace('`', "'"))
}

/// A word as bytes: those beyond ASCII by their numbers.
fn bytes(word: &str) -> String {
    format!("b\"{}\"", word.as_bytes().escape_ascii())
}
