//! A memo: a value in the memory of the process, computed once, until it is forgotten in all processes.

use std::{cell::Cell, time::Duration};

use larder::NearOptions;
use patterns::{Outcome, Shop};

fn main() -> Outcome {
    let shop = Shop::open()?;
    // By their near caches handles hear of each other.
    let near = || shop.built(|builder| builder.near(NearOptions::bytes(1 << 20)));
    let (larder, other) = (near()?, near()?);
    let computed = Cell::new(0);
    let config = |larder: &larder::Larder<diesel::pg::Pg>| -> Outcome<i32> {
        let value = larder.memo("config").ttl(Duration::from_secs(60)).load(|| -> Outcome<i32> {
            computed.set(computed.get() + 1);
            Ok(computed.get())
        })?;
        Ok(*value)
    };
    shop.show("at first", || config(&larder))?;
    shop.show("kept", || config(&larder))?;
    other.forget_memo("config");
    while config(&larder)? == 1 {
        std::thread::yield_now();
    }
    shop.show("forgotten by another process", || config(&larder))?;
    Ok(())
}
