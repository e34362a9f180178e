//! Cache-aside: values whose home larder does not know, without the race that they have by hand.

use std::{cell::Cell, time::Duration};

use diesel::pg::Pg;
use larder::Aside;
use patterns::{Outcome, Shop};

fn main() -> Outcome {
    let shop = Shop::open()?;
    let larder = shop.larder()?;
    // A service of somebody else's.
    let (asked, degrees) = (Cell::new(0), Cell::new(21));
    let ask = || -> Outcome<i32> {
        asked.set(asked.get() + 1);
        Ok(degrees.get())
    };
    let weather: Aside<'_, Pg, &str, i32> = larder.aside("weather").ttl(Duration::from_secs(600));
    shop.show("at first", || weather.load(&"Graz", ask).map(|degrees| (degrees, asked.get())))?;
    shop.show("stored", || weather.load(&"Graz", ask).map(|degrees| (degrees, asked.get())))?;
    shop.show("changed through it", || {
        weather.update(&"Graz", || {
            degrees.set(17);
            Ok(Some(17))
        })
    })?;
    shop.show("stored again", || weather.load(&"Graz", ask).map(|degrees| (degrees, asked.get())))?;
    // It has changed by itself, and somebody says so.
    degrees.set(15);
    weather.forget(&"Graz");
    shop.show("forgotten, and asked again", || weather.load(&"Graz", ask).map(|degrees| (degrees, asked.get())))?;
    Ok(())
}
