//! What a purchase is in the shop: which rows stand for it.

use bigdecimal::BigDecimal;
use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use shop_core::{NewOrder, NewOrderItem, NewUser, Status};
use uuid::Uuid;

use crate::{
    batch::Batch,
    ids::{order_id, user_id},
    parse::Purchase,
};

/// What every imported user's address ends with.
pub const DOMAIN: &str = "cdnow.example";

/// What was bought: the history knows only how many.
const SKU: &str = "CD";

/// From this day on, nothing had been sent when the history ended.
const SHIPPED_BEFORE: NaiveDate = NaiveDate::from_ymd_opt(1998, 6, 1).expect("a day of the calendar");

/// The rows of a batch. A customer is a user; a purchase is an order with one item.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rows {
    /// One a customer: `customer-<id>@cdnow.example`, there since the day of the first purchase.
    pub users: Vec<NewUser>,
    /// One a purchase, placed at midnight UTC: paid from June 1998 on, shipped before.
    pub orders: Vec<NewOrder>,
    /// One an order, in the same order.
    ///
    /// The unit price is the amount over the quantity, rounded to cents. Price times quantity may therefore miss the order's
    /// total by half a cent a piece: the total is what was paid, the unit price what that came to.
    pub items: Vec<NewOrderItem>,
}

impl From<&Batch> for Rows {
    fn from(batch: &Batch) -> Self {
        let mut rows = Self::default();
        for purchases in batch.by_customer() {
            rows.users.extend(user(purchases));
            for (n, purchase) in (1..).zip(purchases) {
                let id = order_id(purchase.customer, n);
                rows.orders.push(order(id, purchase));
                rows.items.push(item(id, purchase));
            }
        }
        rows
    }
}

/// The user behind the purchases of one customer; `None` if there are none.
fn user(purchases: &[Purchase]) -> Option<NewUser> {
    let first = purchases.iter().min_by_key(|purchase| purchase.date)?;
    Some(NewUser {
        id: Some(user_id(first.customer)),
        email: format!("customer-{}@{DOMAIN}", first.customer),
        created_at: Some(midnight(first.date)),
    })
}

fn order(id: Uuid, purchase: &Purchase) -> NewOrder {
    NewOrder {
        id: Some(id),
        user_id: user_id(purchase.customer),
        status: if purchase.date < SHIPPED_BEFORE { Status::Shipped } else { Status::Paid },
        total_amount: dollars(purchase.cents),
        created_at: Some(midnight(purchase.date)),
    }
}

fn item(order_id: Uuid, purchase: &Purchase) -> NewOrderItem {
    let quantity = i64::from(purchase.quantity);
    // Half a cent goes up; nothing here is negative.
    let unit_cents = (purchase.cents + quantity / 2) / quantity;
    NewOrderItem {
        order_id,
        line_number: 1,
        sku: SKU.into(),
        quantity: purchase.quantity,
        unit_price: dollars(unit_cents),
    }
}

fn midnight(date: NaiveDate) -> DateTime<Utc> {
    date.and_time(NaiveTime::MIN).and_utc()
}

fn dollars(cents: i64) -> BigDecimal {
    BigDecimal::new(cents.into(), 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(lines: &[(u32, &str, i32, i64)]) -> Rows {
        let purchases = (2..)
            .zip(lines)
            .map(|(line, &(customer, date, quantity, cents))| Purchase {
                line,
                customer,
                date: date.parse().unwrap(),
                quantity,
                cents,
            })
            .collect();
        Rows::from(&Batch::of(purchases))
    }

    #[test]
    fn a_customer_is_a_user_since_the_first_purchase() {
        let rows = rows(&[(1, "1997-03-01", 1, 100), (1, "1997-02-01", 1, 100), (2, "1997-01-01", 1, 100)]);
        let users: Vec<_> =
            rows.users.iter().map(|user| (user.email.as_str(), user.created_at.unwrap().to_rfc3339())).collect();
        assert_eq!(
            users,
            [
                ("customer-1@cdnow.example", "1997-02-01T00:00:00+00:00".into()),
                ("customer-2@cdnow.example", "1997-01-01T00:00:00+00:00".into()),
            ]
        );
    }

    #[test]
    fn a_purchase_is_an_order_with_one_item() {
        let rows = rows(&[(7, "1997-01-12", 5, 7700)]);
        let (order, item) = (&rows.orders[0], &rows.items[0]);
        assert_eq!((order.id, order.user_id), (Some(item.order_id), rows.users[0].id.unwrap()));
        assert_eq!((order.total_amount.to_string(), item.unit_price.to_string()), ("77.00".into(), "15.40".into()));
        assert_eq!((item.line_number, item.sku.as_str(), item.quantity), (1, "CD", 5));
    }

    #[test]
    fn two_purchases_on_one_day_are_two_orders() {
        let rows = rows(&[(2, "1997-01-12", 1, 1200), (2, "1997-01-12", 1, 1200)]);
        assert_eq!((rows.users.len(), rows.orders.len(), rows.items.len()), (1, 2, 2));
        assert_ne!(rows.orders[0].id, rows.orders[1].id);
    }

    #[test]
    fn ids_do_not_depend_on_the_batch() {
        let (one, other) = ((1, "1997-01-01", 1, 100), (2, "1997-01-01", 1, 200));
        let together = rows(&[one, other, other]);
        let alone = rows(&[other, other]);
        assert_eq!(together.users[1..], alone.users);
        assert_eq!(together.orders[1..], alone.orders);
        assert_eq!(together.items[1..], alone.items);
    }

    #[test]
    fn a_unit_price_is_rounded_to_the_nearest_cent() {
        for (quantity, cents, unit_price) in [(3, 1000, "3.33"), (3, 1001, "3.34"), (2, 1001, "5.01"), (99, 0, "0.00")]
        {
            let rows = rows(&[(1, "1997-01-01", quantity, cents)]);
            assert_eq!(rows.items[0].unit_price, unit_price.parse::<BigDecimal>().unwrap());
        }
    }

    #[test]
    fn the_last_month_is_paid_and_not_shipped() {
        let rows = rows(&[(1, "1998-05-31", 1, 100), (1, "1998-06-01", 1, 100)]);
        assert_eq!(rows.orders.iter().map(|order| order.status).collect::<Vec<_>>(), [Status::Shipped, Status::Paid]);
    }
}
