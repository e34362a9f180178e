//! A source that is not SQL behind the same layers.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    sync::{Arc, Mutex},
};

use larder::{Error, Result, source::Source};

use crate::site::{Cost, Shop};

/// Prices, as a service has them, and for how many it was asked each time.
#[derive(Default)]
struct Prices {
    now: Mutex<BTreeMap<String, i64>>,
    asked: Mutex<Vec<usize>>,
}

impl Source for Prices {
    const NAME: &'static str = "prices";

    type Key = String;
    type Value = i64;
    type Error = Infallible;

    fn load(&self, keys: &[String]) -> Result<Vec<Option<i64>>, Infallible> {
        self.asked.lock().unwrap().push(keys.len());
        let now = self.now.lock().unwrap();
        Ok(keys.iter().map(|key| now.get(key).copied()).collect())
    }
}

#[test]
fn values_of_a_source_are_kept_and_written_through_the_same_layers() {
    let shop = Shop::new();
    let other = shop.branch();
    let prices = Arc::new(Prices::default());
    prices.now.lock().unwrap().extend([("a".to_owned(), 1), ("b".to_owned(), 2)]);
    let keys = ["b", "nothing", "a"].map(str::to_owned);
    assert_eq!(shop.larder.source(&prices).find_many(&keys).unwrap(), [Some(2), None, Some(1)]);
    shop.meter.expect(Cost { sql: 0, store_reads: 1, store_writes: 2 });
    assert_eq!(other.larder.source(&prices).find_many(&keys).unwrap(), [Some(2), None, Some(1)]);
    other.meter.expect(Cost { sql: 0, store_reads: 1, store_writes: 0 });
    assert_eq!(*prices.asked.lock().unwrap(), [3], "once, for all of them");
    let raise = |prices: &Prices| {
        prices.now.lock().unwrap().insert("a".to_owned(), 10);
        Ok(())
    };
    shop.larder.source(&prices).write(&["a".to_owned()], raise).unwrap();
    assert_eq!(other.larder.source(&prices).get("a").unwrap(), 10);
    assert!(matches!(other.larder.source(&prices).get("nothing"), Err(Error::NotFound { table: "prices" })));
}
