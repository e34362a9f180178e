use larder::{Repository, View};

diesel::table! { users (id) { id -> BigInt, } }
diesel::table! { tags (id) { id -> BigInt, word -> Text, } }
diesel::table! { taggings (user_id, tag_id) { user_id -> BigInt, tag_id -> BigInt, } }

#[derive(Clone, Repository)]
#[diesel(table_name = users, check_for_backend(diesel::sqlite::Sqlite))]
#[larder(many_to_many(tags: Tag, through = Tagging, foreign_key = user_id))]
struct Person {
    id: i64,
}

#[derive(Clone, Repository)]
#[diesel(table_name = tags, check_for_backend(diesel::sqlite::Sqlite))]
struct Tag {
    id: i64,
    word: String,
}

#[derive(Clone, Repository)]
#[diesel(table_name = taggings, primary_key(user_id, tag_id), check_for_backend(diesel::sqlite::Sqlite))]
#[diesel(belongs_to(Person, foreign_key = user_id), belongs_to(Tag))]
struct Tagging {
    user_id: i64,
    tag_id: i64,
}

#[derive(View)]
#[larder(of = Person)]
struct Card {
    #[larder(with = tags, order = word.asc())]
    tags: Vec<Tag>,
    #[larder(count = tags)]
    n_tags: i64,
}

fn main() {}
