//! What the derives write, to be read as ordinary Rust.
//!
//! A unit test of the crate: a crate of macros has no other door for tokens.

use proc_macro2::TokenStream;
use syn::parse_quote;

use crate::expand;

#[track_caller]
fn expands(name: &str, tokens: TokenStream) {
    let file = syn::parse2(tokens).expect("an expansion is a list of items");
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("snapshots");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, prettyplease::unparse(&file)));
}

#[test]
fn a_plain_model() {
    expands(
        "a_plain_model",
        expand::repository(&parse_quote! {
            #[derive(Clone, Queryable, Selectable, Repository)]
            #[diesel(check_for_backend(diesel::sqlite::Sqlite))]
            struct User {
                id: i64,
                email: String,
            }
        }),
    );
}

#[test]
fn a_model_with_everything() {
    expands(
        "a_model_with_everything",
        expand::repository(&parse_quote! {
            #[derive(Clone, Queryable, Selectable, Associations, Repository)]
            #[diesel(table_name = crate::schema::orders, primary_key(shop, number))]
            #[diesel(belongs_to(crate::User), check_for_backend(diesel::pg::Pg, diesel::sqlite::Sqlite))]
            #[larder(ttl = "5m", name = "purchases", write_through = false, writes = available)]
            #[larder(near = bounded, near_ttl = "5s", near_bytes = "8MiB", reads = shared)]
            #[larder(unique(invoice; deferrable), index(user_id, status; order = (placed_at.desc(), number.asc()), head = 50))]
            #[larder(has_many(items: Item, foreign_key = (shop, order_number), on_delete = cascade))]
            #[larder(has_one(parcel: Parcel, foreign_key = (shop, order_number), on_delete = set_null))]
            #[larder(belongs_to(before: Order, foreign_key = (shop, before)))]
            #[larder(many_to_many(tags: Tag, through = Tagging, foreign_key = (shop, order_number)))]
            #[larder(maintains(crate::Shop: n_orders = count, numbers = sum(number * weight); by = shop, insert, delete))]
            pub(crate) struct Order {
                shop: i32,
                number: i64,
                user_id: Uuid,
                status: Status,
                invoice: Option<String>,
                before: Option<i64>,
                weight: Option<i32>,
                #[diesel(column_name = placed)]
                placed_at: NaiveDateTime,
                #[diesel(embed)]
                address: Address,
                #[larder(serde, version = 2)]
                notes: Vec<Note>,
            }
        }),
    );
}

#[test]
fn a_model_that_larder_guards() {
    expands(
        "a_model_that_larder_guards",
        expand::repository(&parse_quote! {
            #[derive(Clone, Queryable, Selectable, Repository)]
            #[diesel(check_for_backend(diesel::pg::Pg))]
            #[larder(soft_delete = gone_at)]
            struct User {
                id: i64,
                #[larder(version)]
                changes: i32,
                #[larder(created_at)]
                made_at: NaiveDateTime,
                #[larder(updated_at)]
                #[diesel(column_name = changed)]
                changed_at: NaiveDateTime,
                gone_at: Option<NaiveDateTime>,
            }
        }),
    );
}

#[test]
fn a_model_of_tenants() {
    expands(
        "a_model_of_tenants",
        expand::repository(&parse_quote! {
            #[derive(Clone, Queryable, Selectable, Repository)]
            #[diesel(table_name = orders, primary_key(org, id), check_for_backend(diesel::sqlite::Sqlite))]
            #[larder(tenant = org, unique(invoice), index(org), belongs_to(customer: Customer))]
            #[larder(belongs_to(land: Country, foreign_key = country, common), has_many(items: Item))]
            struct Order {
                org: Uuid,
                id: i64,
                invoice: String,
                customer_id: i64,
                country: String,
            }
        }),
    );
}

#[test]
fn a_partitioned_model() {
    expands(
        "a_partitioned_model",
        expand::repository(&parse_quote! {
            #[derive(Clone, Queryable, Selectable, Repository)]
            #[diesel(primary_key(id, placed_at), check_for_backend(diesel::pg::Pg))]
            #[larder(partition(by = range(placed_at), every = "1 month", keep = "2 years", ahead = 4, default = false))]
            struct Order {
                id: i64,
                placed_at: DateTime<Utc>,
            }
        }),
    );
}

#[test]
fn a_materialized_view() {
    expands(
        "a_materialized_view",
        expand::materialized_view(&parse_quote! {
            #[derive(Clone, Queryable, Selectable, Associations, MaterializedView)]
            #[diesel(primary_key(user_id), belongs_to(User), check_for_backend(diesel::pg::Pg))]
            #[larder(query = "SELECT 1 AS user_id, 2 AS order_count")]
            pub struct UserStat {
                user_id: i64,
                order_count: i64,
            }
        }),
    );
}

#[test]
fn a_view_of_columns() {
    expands(
        "a_view_of_columns",
        expand::view(&parse_quote! {
            #[derive(View)]
            #[larder(of = User)]
            struct UserEmail {
                id: i64,
                #[larder(field = email)]
                address: String,
            }
        }),
    );
}

#[test]
fn a_view_with_relations() {
    expands(
        "a_view_with_relations",
        expand::view(&parse_quote! {
            #[derive(View)]
            #[larder(of = crate::User)]
            #[diesel(check_for_backend(diesel::pg::Pg))]
            pub struct UserCard {
                pub email: String,
                #[larder(with = orders, filter = status.eq(Status::Paid).or(user::flag.eq(FLAG)), order = created_at.desc(), limit = 10)]
                pub recent: Vec<OrderCard>,
                #[larder(with = boss)]
                pub boss: Option<UserEmail>,
                #[larder(count = orders)]
                pub n_orders: i64,
            }
        }),
    );
}

#[test]
fn codecs() {
    let of_struct = expand::codec(&parse_quote! {
        struct Pair<T> {
            first: T,
            #[larder(serde)]
            second: u8,
        }
    });
    let of_enum = expand::codec(&parse_quote! {
        enum Event {
            Nothing,
            Paid(i64, String),
            Sent { to: String },
        }
    });
    expands("codecs", quote::quote!(#of_struct #of_enum));
}

#[test]
fn a_part_of_a_key() {
    expands(
        "a_part_of_a_key",
        expand::key_part(&parse_quote! {
            enum Status {
                Pending,
                Paid,
            }
        }),
    );
}

#[test]
fn a_model_with_mistakes() {
    expands(
        "a_model_with_mistakes",
        expand::repository(&parse_quote! {
            #[diesel(check_for_backend(diesel::sqlite::Sqlite))]
            #[larder(unique(emial), has_many(orders: Order), ttl = "soon")]
            struct User {
                id: i64,
                email: String,
            }
        }),
    );
}
