//! Documents of teams, and jobs to be done.

use diesel::{connection::SimpleConnection as _, pg::Pg, prelude::*};
use larder::{Larder, Repository};
use tests::{Database, Meter, Namespace, Template, pool, redis_store, redis_url};

const TABLES: &str = "
    CREATE TABLE teams (id bigint PRIMARY KEY, n_docs bigint DEFAULT 0 NOT NULL, deleted_at timestamptz);
    CREATE TABLE docs (
        id bigint PRIMARY KEY, team_id bigint NOT NULL REFERENCES teams ON DELETE CASCADE, name text NOT NULL,
        version integer DEFAULT 1 NOT NULL, deleted_at timestamptz, made_at timestamptz DEFAULT now() NOT NULL,
        changed_at timestamptz DEFAULT now() NOT NULL
    );
    CREATE UNIQUE INDEX docs_name ON docs (name) WHERE deleted_at IS NULL;
    CREATE INDEX docs_team_id ON docs (team_id);
    CREATE TABLE jobs (id bigint PRIMARY KEY, note text NOT NULL, done_by bigint);
    CREATE TABLE cells (x bigint NOT NULL, y text NOT NULL, value double precision, PRIMARY KEY (x, y));
";

pub(super) static SAFE: Template = Template::new("safe", |connection| {
    connection.batch_execute(TABLES).expect("the tables can be made");
});

diesel::table! { teams (id) { id -> BigInt, n_docs -> BigInt, deleted_at -> Nullable<Timestamptz>, } }
diesel::table! {
    docs (id) {
        id -> BigInt, team_id -> BigInt, name -> Text, version -> Integer, deleted_at -> Nullable<Timestamptz>, made_at -> Timestamptz,
        changed_at -> Timestamptz,
    }
}
diesel::table! { jobs (id) { id -> BigInt, note -> Text, done_by -> Nullable<BigInt>, } }
diesel::table! { cells (x, y) { x -> BigInt, y -> Text, value -> Nullable<Double>, } }

type Time = chrono::DateTime<chrono::Utc>;

#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Identifiable, Repository)]
#[diesel(table_name = teams, check_for_backend(Pg))]
#[larder(has_many(docs: Doc, on_delete = cascade), soft_delete = deleted_at)]
pub(super) struct Team {
    pub(super) id: i64,
    pub(super) n_docs: i64,
    pub(super) deleted_at: Option<Time>,
}

#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Identifiable, Associations, Repository)]
#[diesel(table_name = docs, belongs_to(Team), check_for_backend(Pg))]
#[larder(unique(name), soft_delete = deleted_at, maintains(Team: n_docs = count; by = team_id))]
pub(super) struct Doc {
    pub(super) id: i64,
    pub(super) team_id: i64,
    pub(super) name: String,
    #[larder(version)]
    pub(super) version: i32,
    pub(super) deleted_at: Option<Time>,
    #[larder(created_at)]
    pub(super) made_at: Time,
    #[larder(updated_at)]
    pub(super) changed_at: Time,
}

#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Identifiable, Repository)]
#[diesel(table_name = jobs, check_for_backend(Pg))]
pub(super) struct Job {
    pub(super) id: i64,
    pub(super) note: String,
    pub(super) done_by: Option<i64>,
}

#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Identifiable, Insertable, Repository)]
#[diesel(table_name = cells, primary_key(x, y), check_for_backend(Pg))]
pub(super) struct Cell {
    pub(super) x: i64,
    pub(super) y: String,
    pub(super) value: Option<f64>,
}

/// The tables of one test, and a handle whose statements are counted.
pub(super) struct Scene {
    pub(super) larder: Larder<Pg>,
    pub(super) meter: Meter,
    pub(super) database: Database,
    pub(super) namespace: Namespace,
}

impl Scene {
    pub(super) fn new() -> Self {
        let (database, namespace) = (SAFE.database(), Namespace::new());
        let (larder, meter) = handle(database.url(), &namespace);
        Self { larder, meter, database, namespace }
    }

    /// One more handle on the same database and the same keys, through a proxy perhaps.
    pub(super) fn handle(&self, url: &str) -> Larder<Pg> {
        handle(url, &self.namespace).0
    }

    /// A team of two documents, 1 and 2.
    pub(super) fn with_docs() -> Self {
        let scene = Self::new();
        Team::repository(&scene.larder).insert(teams::id.eq(1)).unwrap();
        let docs =
            [(1, "one"), (2, "two")].map(|(id, name)| (docs::id.eq(id), docs::team_id.eq(1), docs::name.eq(name)));
        Doc::repository(&scene.larder).insert_many(&docs).unwrap();
        scene.meter.reset();
        scene
    }

    /// So many jobs that nobody has done.
    pub(super) fn with_jobs(n: i64) -> Self {
        let scene = Self::new();
        scene
            .database
            .connect()
            .batch_execute(&format!(
                "INSERT INTO jobs (id, note) SELECT n, 'note ' || n FROM generate_series(1, {n}) AS n"
            ))
            .unwrap();
        scene
    }
}

fn handle(url: &str, namespace: &Namespace) -> (Larder<Pg>, Meter) {
    let meter = Meter::new();
    let store = meter.metered(redis_store(&redis_url(), namespace));
    let builder = Larder::builder(pool(url, &meter, 16)).shared(store).fill_in_background(false).refresh_early(false);
    (builder.build(), meter)
}
