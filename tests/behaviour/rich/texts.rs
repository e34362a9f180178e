//! Full-text search.

use std::time::Duration;

use diesel::{connection::SimpleConnection as _, prelude::*};
use larder::{
    Repository,
    search::{self, Hit, Searched},
};
use tests::{Cost, Counts};

use super::World;

const HOUR: Duration = Duration::from_secs(3_600);

pub(super) const TABLES: &str =
    "CREATE TABLE articles (id bigint PRIMARY KEY, title text NOT NULL, body text, author bigint NOT NULL DEFAULT 0);";

diesel::table! {
    articles (id) {
        id -> BigInt,
        title -> Text,
        body -> Nullable<Text>,
    }
}

#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Insertable, Identifiable, Repository)]
#[diesel(table_name = articles, check_for_backend(diesel::pg::Pg))]
pub(super) struct Article {
    id: i64,
    title: String,
    body: Option<String>,
}

impl Searched for Article {
    const DOCUMENT: &'static str = "what's \"searched\"";
    const LANGUAGE: &'static str = "english";
    const TEXT: &'static [&'static str] = &["title", "body"];
}

fn article(id: i64, title: &str, body: Option<&str>) -> Article {
    Article { id, title: title.to_owned(), body: body.map(str::to_owned) }
}

fn world() -> World {
    let world = World::new();
    let texts = [
        article(1, "On engines", Some("Ada Lovelace & others loved the analytical engines of Charles Babbage.")),
        article(2, "Ada", Some("A language that is called after Ada Lovelace.")),
        article(3, "Lovely weather", None),
        article(4, "Nothing of it", Some("Other words.")),
    ];
    Article::repository(&world.larders[0]).insert_many(&texts).unwrap();
    world
}

fn ids(hits: &[Hit<Article>]) -> Vec<i64> {
    hits.iter().map(|hit| hit.row.id).collect()
}

#[test]
fn words_are_found_in_all_their_forms_the_best_first_and_marked() {
    let world = world();
    let articles = Article::repository(&world.larders[0]);
    world.meters[0].reset();
    let found = articles.search("ada lovelace").load().unwrap();
    world.meters[0].expect(Cost { sql: 1, store_reads: 0, store_writes: 0 });
    assert_eq!(ids(&found), [2, 1], "a title weighs more");
    assert!(found[0].rank > found[1].rank);
    let html = found[1].highlight.to_html();
    assert!(html.contains("<mark>Ada</mark> <mark>Lovelace</mark> &amp; others"), "{html}");
    let of = |text: &str| ids(&articles.search(text).load().unwrap());
    assert_eq!(of("engine"), [1]);
    assert_eq!(of("ada -babbage"), [2]);
    assert_eq!(of("weather or babbage"), [3, 1]);
    assert_eq!(of("\"analytical engine\""), [1]);
    assert_eq!(of("\"engine analytical\""), [0; 0]);
    assert_eq!(of("love* ada"), [2, 1]);
    assert_eq!(of("weath*"), [3]);
    assert_eq!(ids(&articles.search("ada").limit(1).offset(1).load().unwrap()), [1]);
}

#[test]
fn nothing_that_anybody_types_is_an_error() {
    let world = world();
    let articles = Article::repository(&world.larders[0]);
    let mut random = fastrand::Rng::with_seed(3);
    let pieces = [
        "\"", "'", "-", "*", ":", "&", "|", "!", "(", ")", "<->", "\\", "or", "ada", "\0", "%", "$1", ";--", "é",
        "\u{e000}", " ",
    ];
    for _ in 0..300 {
        let text: String = (0..random.usize(..8)).map(|_| *random.choice(&pieces).unwrap()).collect();
        assert!(articles.search(&text).load().is_ok(), "{text:?}");
        assert!(articles.search(&format!("{text}*")).load().is_ok(), "{text:?}*");
    }
    // Piles of one thing, and of two.
    for (one, other) in pieces.iter().flat_map(|one| pieces.iter().map(move |other| (one, other))) {
        let text = format!("{one}{other}").repeat(700);
        let found = articles.search(&text).load();
        assert!(found.is_ok(), "{text:.20}: {found:?}");
    }
    for text in [
        "",
        "the of",
        &"x".repeat(10_000),
        &"ü ".repeat(10_000),
        &"a*".repeat(9_000),
        &"-".repeat(5_000),
        &"\"".repeat(4_999),
    ] {
        let found = articles.search(text).load();
        assert!(found.as_ref().is_ok_and(Vec::is_empty), "{text:.20}: {found:?}");
    }
}

#[test]
fn what_was_found_is_kept_until_a_row_is_written() {
    let world = world();
    let [articles, others] = [0, 1].map(|at| Article::repository(&world.larders[at]));
    let of = |text: &str| ids(&articles.search(text).load_kept(HOUR).unwrap());
    assert_eq!(of("ada"), [2, 1]);
    world.meters[0].reset();
    assert_eq!(of("ada"), [2, 1]);
    world.meters[0].expect_counts(Counts { reads: 2, ..Counts::default() });
    assert_eq!(
        articles.search("ada").load_kept(HOUR).unwrap()[0].highlight.to_html(),
        "<mark>Ada</mark> … A language that is called after <mark>Ada</mark> Lovelace"
    );
    others.insert(article(5, "Ada, Ada", None)).unwrap();
    assert_eq!(of("ada"), [5, 2, 1]);
    others.delete(2).unwrap();
    assert_eq!(of("ada"), [5, 1]);
    assert_eq!(of("babbage"), [1], "and not what was kept of other words");
}

#[test]
fn what_it_needs_is_added_and_taken_away_and_an_index_serves_it() {
    let world = world();
    let mut connection = world.database.connect();
    connection.batch_execute(&search::down::<Article>().unwrap()).unwrap();
    assert!(Article::repository(&world.larders[0]).search("ada").load().is_err());
    connection.batch_execute(&search::up::<Article>().unwrap()).unwrap();
    assert_eq!(Article::repository(&world.larders[0]).search("ada").load().unwrap().len(), 2);
    #[derive(QueryableByName)]
    struct Line {
        #[diesel(sql_type = diesel::sql_types::Text, column_name = "QUERY PLAN")]
        text: String,
    }
    connection.batch_execute("SET enable_seqscan = off").unwrap();
    let sql = "EXPLAIN SELECT id FROM articles, (SELECT websearch_to_tsquery('english'::text::regconfig, 'ada') AS query) AS s
               WHERE articles.\"what's \"\"searched\"\"\" @@ s.query";
    let plan: Vec<Line> = diesel::sql_query(sql).load(&mut connection).unwrap();
    let plan: String = plan.into_iter().map(|line| line.text).collect();
    assert!(plan.contains("Bitmap Index Scan"), "{plan}");
}
