//! What an application does with the models that `larder init` wrote: each answer is compared with what SQL says.

#![deny(warnings)]

mod models;

use std::{collections::BTreeSet, env, error::Error, ops::Bound};

use bigdecimal::BigDecimal;
use chrono::NaiveDate;
use diesel::{
    PgConnection, QueryableByName, RunQueryDsl,
    pg::Pg,
    r2d2::{ConnectionManager, Pool},
    sql_query,
    sql_types::Text,
};
use ipnet::IpNet;
use larder::{Larder, MaterializedView as _, MemoryStore};
use models::*;
use uuid::Uuid;

type Done = Result<(), Box<dyn Error>>;

fn main() -> Done {
    let url = env::var("DATABASE_URL")?;
    let pool = Pool::builder().max_size(4).build(ConnectionManager::<PgConnection>::new(&url))?;
    let mut sql = pool.get()?;
    let larder: Larder<Pg> = Larder::builder(pool).shared(MemoryStore::new()).build();
    let world = World::made(&larder)?;
    // The second round is answered from the cache.
    for _ in 0..2 {
        world.finders(&larder, &mut sql)?;
        world.lists(&larder, &mut sql)?;
        world.relations(&larder, &mut sql)?;
    }
    world.writes(&larder, &mut sql)?;
    println!("all answers are right");
    Ok(())
}

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = Text)]
    line: String,
}

/// What a query gives, as text.
fn lines(sql: &mut PgConnection, query: &str) -> Result<Vec<String>, Box<dyn Error>> {
    let query = format!("SELECT coalesce(line::text, '') AS line FROM ({query}) AS answer (line)");
    Ok(sql_query(query).load::<Line>(sql)?.into_iter().map(|row| row.line).collect())
}

fn told<T: ToString>(values: impl IntoIterator<Item = T>) -> Vec<String> {
    values.into_iter().map(|value| value.to_string()).collect()
}

struct World {
    ada: Uuid,
    grace: Uuid,
    product: i64,
    order: i64,
    root: i32,
}

impl World {
    fn made(larder: &Larder<Pg>) -> larder::Result<Self> {
        larder.transaction(|tx| {
            let person = |email: &str, manager_id| NewUser {
                id: None,
                email: email.into(),
                name: email.to_uppercase(),
                nickname: None,
                manager_id,
                is_admin: None,
                settings: None,
                created_at: None,
            };
            let users = User::repository(tx);
            let ada = users.insert(&person("ada@x", None))?.id;
            let grace = users.insert(&person("grace@x", Some(ada)))?.id;
            let bob = users.insert(&person("bob@x", Some(ada)))?.id;
            for (follower_id, followee_id) in [(grace, ada), (bob, ada), (ada, grace)] {
                Follow::repository(tx).insert(&NewFollow { follower_id, followee_id })?;
            }
            for n in 0..5 {
                let body = format!("message {n}");
                Message::repository(tx).insert(&NewMessage {
                    sender_id: bob,
                    recipient_id: ada,
                    body,
                    sent_at: None,
                })?;
            }
            Role::repository(tx).insert(&NewRole { id: 1, name: "cook".into() })?;
            UserRole::repository(tx).insert(&NewUserRole { user_id: ada, role_id: 1, granted_at: None })?;
            Profile::repository(tx).insert(&NewProfile {
                user_id: ada,
                bio: Some("counts".into()),
                birthday: NaiveDate::from_ymd_opt(1815, 12, 10),
                height: Some(1.6),
                type_: None,
            })?;
            Country::repository(tx).insert(&NewCountry { code: "GB".into(), name: "Great Britain".into() })?;
            let category =
                |parent_id, slug: &str| NewCategory { id: None, parent_id, slug: slug.into(), title: slug.into() };
            let categories = Category::repository(tx);
            let root = categories.insert(&category(None, "all"))?.id;
            let tea = categories.insert(&category(Some(root), "tea"))?.id;
            categories.insert(&category(Some(root), "cups"))?;
            let brand = NewBrand { id: None, name: "Earl".into(), country_code: Some("GB".into()) };
            let brand = Brand::repository(tx).insert(&brand)?.id;
            let mut products = Vec::new();
            for (sku, price) in [("grey", "4.50"), ("green", "3.20"), ("black", "9.99")] {
                products.push(Product::repository(tx).insert(&NewProduct {
                    id: None,
                    brand_id: Some(brand),
                    category_id: tea,
                    sku: sku.into(),
                    title: format!("Tea, {sku}"),
                    price: price.parse::<BigDecimal>().map_err(larder::Error::other)?,
                    weight: Some(0.1),
                    labels: Some(vec![Some("hot".into()), None]),
                    created_at: None,
                })?);
            }
            let product = products[0].id;
            for position in [2, 1] {
                let url = format!("/{position}.png");
                ProductImage::repository(tx).insert(&NewProductImage { product_id: product, position, url })?;
            }
            for (position, language) in [(1, "en"), (1, "fr"), (2, "en")] {
                ImageCaption::repository(tx).insert(&NewImageCaption {
                    product_id: product,
                    position,
                    language: language.into(),
                    caption: "tea".into(),
                })?;
            }
            let order = |number: &str, status| NewOrder {
                id: None,
                number: number.into(),
                user_id: ada,
                billing_address_id: None,
                shipping_address_id: None,
                status,
                history: Some(vec![Some(OrderStatus::Pending), Some(OrderStatus::ItSLost)]),
                total: BigDecimal::from(12),
                created_at: None,
            };
            let orders = Order::repository(tx);
            let first = orders.insert(&order("1", Some(OrderStatus::InTransit_)))?.id;
            orders.insert(&order("2", Some(OrderStatus::InTransit)))?;
            orders.insert(&order("3", None))?;
            for line_number in [1, 2] {
                OrderLine::repository(tx).insert(&NewOrderLine {
                    order_id: first,
                    line_number,
                    product_id: product,
                    quantity: 3,
                    unit_price: BigDecimal::from(4),
                })?;
                let percent = BigDecimal::from(5);
                LineDiscount::repository(tx).insert(&NewLineDiscount {
                    id: None,
                    order_id: first,
                    line_number,
                    percent,
                })?;
            }
            let invoice = NewInvoice {
                id: None,
                order_id: first,
                due: NaiveDate::from_ymd_opt(2024, 2, 29).expect("it was a leap year"),
                paid_at: None,
                amount: BigDecimal::from(12),
            };
            Invoice::repository(tx).insert(&invoice)?;
            Warehouse::repository(tx).insert(&NewWarehouse { id: 7, code: "W".into() })?;
            Shelf::repository(tx).insert(&NewShelf { warehouse_id: 7, label: "top".into() })?;
            let stock = NewStock { warehouse_id: 7, label: "top".into(), product_id: product, quantity: 40 };
            Stock::repository(tx).insert(&stock)?;
            for (days, change) in [(1, 5), (2, -3)] {
                StockMovement::repository(tx).insert(&NewStockMovement {
                    id: None,
                    warehouse_id: 7,
                    product_id: product,
                    change,
                    moved_at: NaiveDate::from_ymd_opt(2024, 5, days)
                        .and_then(|day| day.and_hms_opt(12, 0, 0))
                        .expect("there was a noon")
                        .and_utc(),
                })?;
            }
            let contact = |stage, name: &str| NewContact { id: None, user_id: Some(ada), stage, fullName: name.into() };
            Contact::repository(tx).insert(&contact(Some(Stage::Won), "A"))?;
            Contact::repository(tx).insert(&contact(None, "B"))?;
            OptionRow::repository(tx).insert(&NewOptionRow {
                id: None,
                key: "colour".into(),
                value: Some("red".into()),
            })?;
            Counter::repository(tx).insert(&NewCounter { name: "visits".into(), n: None, seen_at: None })?;
            Ok(Self { ada, grace, product, order: first, root })
        })
    }

    fn finders(&self, larder: &Larder<Pg>, sql: &mut PgConnection) -> Done {
        let ada = User::repository(larder).find_by_email("ada@x")?.expect("ada is there");
        assert_eq!(ada.id, self.ada);
        assert_eq!(told([ada.name]), lines(sql, "SELECT name FROM users WHERE email = 'ada@x'")?);
        assert_eq!(User::repository(larder).find_by_email("nobody@x")?, None);
        let tea = Category::repository(larder).find_by_parent_id_and_slug(self.root, "tea")?.expect("there is tea");
        assert_eq!(told([tea.id]), lines(sql, "SELECT id FROM categories WHERE slug = 'tea'")?);
        let order = Order::repository(larder).find_by_number("2")?.expect("there is a second order");
        assert_eq!(order.status, OrderStatus::InTransit);
        assert_eq!(order.history, [Some(OrderStatus::Pending), Some(OrderStatus::ItSLost)]);
        let product = Product::repository(larder).get(self.product)?;
        assert_eq!(product.labels, [Some("hot".to_owned()), None]);
        assert_eq!(
            told([product.gross.expect("it is computed")]),
            lines(sql, "SELECT gross FROM products WHERE sku = 'grey'")?
        );
        let option = OptionRow::repository(larder).find_by_key("colour")?.expect("there is a colour");
        assert_eq!(option.value.as_deref(), Some("red"));
        let stock = Stock::repository(larder).find((self.product, 7, "top".to_owned()))?.expect("there is stock");
        assert_eq!(stock.quantity, 40);
        assert_eq!(Country::repository(larder).get("GB".to_owned())?.name, "Great Britain");
        Ok(())
    }

    fn lists(&self, larder: &Larder<Pg>, sql: &mut PgConnection) -> Done {
        let messages = Message::repository(larder).list_by_recipient_id(self.ada).load()?;
        let ids = "SELECT id FROM messages ORDER BY sent_at DESC, id";
        assert_eq!(told(messages.iter().map(|message| message.id)), lines(sql, ids)?);
        assert_eq!(Message::repository(larder).count_by_recipient_id(self.ada)?, 5);
        let lost = Order::repository(larder).list_by_user_id_and_status(self.ada, OrderStatus::InTransit_).load()?;
        assert_eq!(
            told(lost.iter().map(|order| order.id)),
            lines(sql, "SELECT id FROM orders WHERE status = 'in transit'")?
        );
        assert_eq!(Order::repository(larder).count_by_status(OrderStatus::Pending)?, 1);
        let tea = Category::repository(larder).find_by_parent_id_and_slug(self.root, "tea")?.expect("there is tea");
        let products = Product::repository(larder).list_by_category_id(tea.id).load()?;
        let skus = "SELECT sku FROM products ORDER BY price, id";
        assert_eq!(told(products.iter().map(|product| &product.sku)), lines(sql, skus)?);
        let moved = StockMovement::repository(larder).list_by_product_id(self.product).load()?;
        assert_eq!(moved.iter().map(|movement| movement.change).collect::<Vec<_>>(), [-3, 5]);
        assert_eq!(Contact::repository(larder).list_by_stage(Stage::Won).load()?.len(), 1);
        assert_eq!(Contact::repository(larder).list_by_user_id(self.ada).load()?.len(), 2);
        Ok(())
    }

    fn relations(&self, larder: &Larder<Pg>, sql: &mut PgConnection) -> Done {
        let users = || User::repository(larder);
        let (_, followers) = users().with(User::followers()).find(self.ada)?.expect("ada is there");
        let names = "SELECT u.name FROM follows JOIN users u ON u.id = follower_id JOIN users a ON a.id = followee_id WHERE a.email = 'ada@x'";
        let found: BTreeSet<String> = followers.into_iter().map(|user| user.name).collect();
        assert_eq!(found, lines(sql, names)?.into_iter().collect());
        let (_, roles) = users().with(User::roles()).find(self.ada)?.expect("ada is there");
        assert_eq!(told(roles.iter().map(|role| role.id)), ["1"]);
        let (_, profile) = users().with(User::profile()).find(self.ada)?.expect("ada is there");
        assert_eq!(profile.expect("she has one").type_, "person");
        let (_, manager) = users().with(User::manager()).find(self.grace)?.expect("grace is there");
        assert_eq!(manager.map(|user| user.id), Some(self.ada));
        let (_, managed) = users().with(User::users_by_manager()).find(self.ada)?.expect("ada is there");
        assert_eq!(managed.len(), 2);
        let (_, children) =
            Category::repository(larder).with(Category::children()).find(self.root)?.expect("it is there");
        let slugs = "SELECT slug FROM categories WHERE parent_id IS NOT NULL ORDER BY id";
        assert_eq!(told(children.iter().map(|child| &child.slug)), lines(sql, slugs)?);
        let (_, images) = Product::repository(larder)
            .with(Product::product_images().with(ProductImage::image_captions()))
            .find(self.product)?
            .expect("it is there");
        let shape: Vec<_> = images.iter().map(|(image, captions)| (image.position, captions.len())).collect();
        assert_eq!(shape, [(1, 2), (2, 1)]);
        let (order, lines_of_it) = Order::repository(larder)
            .with(Order::order_lines().with(OrderLine::line_discounts()))
            .find(self.order)?
            .expect("it is there");
        assert_eq!(lines_of_it.iter().map(|(_, discounts)| discounts.len()).sum::<usize>(), 2);
        let (_, invoice) = Order::repository(larder).with(Order::invoice()).find(order.id)?.expect("it is there");
        assert_eq!(invoice.expect("it is there").order_id, order.id);
        let (_, shelf) = Stock::repository(larder)
            .with(Stock::shelf())
            .find((self.product, 7, "top".to_owned()))?
            .expect("it is there");
        assert_eq!(shelf.label, "top");
        let (_, user) = Contact::repository(larder).with(Contact::user()).find(1)?.expect("it is there");
        assert_eq!(user.map(|user| user.id), Some(self.ada));
        Ok(())
    }

    fn writes(&self, larder: &Larder<Pg>, sql: &mut PgConnection) -> Done {
        let changes = UserChanges {
            email: Some("countess@x".into()),
            nickname: Some(Some("al".into())),
            ..UserChanges::default()
        };
        User::repository(larder).update(self.ada, &changes)?;
        assert_eq!(User::repository(larder).find_by_email("ada@x")?, None);
        assert_eq!(User::repository(larder).find_by_nickname("al")?.map(|user| user.id), Some(self.ada));
        User::repository(larder).update(self.ada, &UserChanges { nickname: Some(None), ..UserChanges::default() })?;
        assert_eq!(lines(sql, "SELECT nickname FROM users WHERE email = 'countess@x'")?, [""]);

        // A trigger changes the row after its statement, and the cell must not have what the statement gave back.
        Counter::repository(larder)
            .update("visits".to_owned(), &CounterChanges { n: Some(1), ..CounterChanges::default() })?;
        assert!(Counter::repository(larder).get("visits".to_owned())?.seen_at.is_some());

        // The database deletes these together with the category, and so must the caches.
        let before = Category::repository(larder).list_by_parent_id(self.root).load()?;
        assert_eq!(before.len(), 2);
        let cups = before.iter().find(|category| category.slug == "cups").expect("there are cups");
        Category::repository(larder).delete(cups.id)?;
        assert_eq!(Category::repository(larder).list_by_parent_id(self.root).load()?.len(), 1);
        Order::repository(larder)
            .update(self.order, &OrderChanges { status: Some(OrderStatus::Paid), ..OrderChanges::default() })?;
        assert_eq!(Order::repository(larder).count_by_status(OrderStatus::InTransit_)?, 0);

        Self::types_of_postgres(larder, sql)?;

        UserStats::refresh(larder)?;
        let stats = UserStats::repository(larder).find(self.ada)?.expect("ada is there");
        assert_eq!(told(stats.spent), lines(sql, "SELECT sum(total) FROM orders")?);
        assert_eq!(stats.n_orders, Some(3));
        Ok(())
    }

    /// Networks, and ranges as pairs of their ends.
    fn types_of_postgres(larder: &Larder<Pg>, sql: &mut PgConnection) -> Done {
        let expires_at = NaiveDate::from_ymd_opt(2030, 1, 1).and_then(|day| day.and_hms_opt(0, 0, 0)).expect("a day");
        let ada = User::repository(larder).find_by_email("countess@x")?.expect("she is there");
        let address: IpNet = "10.1.2.3/8".parse()?;
        let session = Session::repository(larder).insert(&NewSession {
            token: "t".into(),
            user_id: ada.id,
            address: Some(address),
            network: Some(address.trunc()),
            device: Some([8, 0, 43, 1, 2, 255]),
            expires_at,
        })?;
        assert_eq!(Session::repository(larder).list_by_address(address).load()?, [session]);
        let written = "SELECT concat_ws(' ', address, network, device) FROM sessions";
        assert_eq!(lines(sql, written)?, ["10.1.2.3/8 10.0.0.0/8 08:00:2b:01:02:ff"]);

        let day = expires_at.date();
        let coupon = NewCoupon {
            code: "c".into(),
            percent: 5,
            valid: Some((Bound::Included(day), Bound::Unbounded)),
            limit: None,
            pieces: Some((Bound::Included(1), Bound::Excluded(10))),
            numbers: Some((Bound::Included(-1), Bound::Excluded(i64::MAX))),
            amounts: Some((Bound::Excluded("0.50".parse()?), Bound::Unbounded)),
            at: Some((Bound::Unbounded, Bound::Excluded(expires_at))),
            during: Some((Bound::Included(expires_at.and_utc()), Bound::Unbounded)),
        };
        let coupon = Coupon::repository(larder).insert(&coupon)?;
        let changes = CouponChanges { pieces: Some(Some((Bound::Included(2), Bound::Excluded(3)))), ..CouponChanges::default() };
        let coupon = Coupon { pieces: Some((Bound::Included(2), Bound::Excluded(3))), ..coupon };
        Coupon::repository(larder).update("c".to_owned(), &changes)?;
        assert_eq!(Coupon::repository(larder).get("c".to_owned())?, coupon);
        let written = "SELECT concat_ws(' ', valid, pieces, numbers, amounts, at) FROM coupons";
        let expected = "[2030-01-01,) [2,3) [-1,9223372036854775807) (0.50,) (,\"2030-01-01 00:00:00\")";
        assert_eq!(lines(sql, written)?, [expected]);
        Ok(())
    }
}
