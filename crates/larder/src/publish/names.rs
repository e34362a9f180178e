//! What is published, in words.

use metrics::Unit;

#[derive(Clone, Copy)]
enum Kind {
    Counter,
    Gauge,
    Histogram,
}

use Kind::{Counter, Gauge, Histogram};

/// Every name; a test holds `docs/observability.md` to them.
const ALL: &[(&str, Kind, Unit, &str)] = &[
    ("larder.near.hits", Counter, Unit::Count, "keys that the near cache answered"),
    ("larder.flight.hits", Counter, Unit::Count, "keys taken from another load of the process"),
    ("larder.shared.hits", Counter, Unit::Count, "keys that the store answered"),
    ("larder.misses", Counter, Unit::Count, "keys loaded from the database, since nobody had them"),
    ("larder.bypasses", Counter, Unit::Count, "keys loaded past their cells and not filled in"),
    ("larder.corrupt", Counter, Unit::Count, "cells whose bytes were no row"),
    ("larder.stale", Counter, Unit::Count, "keys of which old values were given"),
    ("larder.leases", Counter, Unit::Count, "leases that were asked for"),
    ("larder.lease.wait", Histogram, Unit::Seconds, "waits for what others had a lease on"),
    ("larder.fills", Counter, Unit::Count, "loaded values given to the store"),
    ("larder.refreshes", Counter, Unit::Count, "values that were about to expire and were compared with the database"),
    ("larder.load.duration", Histogram, Unit::Seconds, "reads by keys that left the near cache"),
    ("larder.statement.duration", Histogram, Unit::Seconds, "statements, with the wait for a connection"),
    ("larder.statement.failures", Counter, Unit::Count, "statements that failed"),
    ("larder.rows.written", Counter, Unit::Count, "rows inserted, updated or deleted"),
    ("larder.write.repeats", Counter, Unit::Count, "single writes that began again"),
    ("larder.refresh.duration", Histogram, Unit::Seconds, "refreshes of materialized views, COMMIT and cells aside"),
    ("larder.refresh.lag", Histogram, Unit::Seconds, "from when a write was seen until the refreshed view had it"),
    ("larder.refresh.failures", Counter, Unit::Count, "refreshes that failed and left the view as it was"),
    ("larder.invalidations.sent", Counter, Unit::Count, "cells that writes of the handle have announced"),
    ("larder.invalidations.received", Counter, Unit::Count, "cells whose copies were dropped by an announcement"),
    ("larder.line.duration", Histogram, Unit::Seconds, "how long announcements take at most, as the line was asked"),
    ("larder.near.copies", Counter, Unit::Count, "values that came near"),
    ("larder.near.bytes", Gauge, Unit::Bytes, "what the near cache holds"),
    ("larder.near.capacity", Gauge, Unit::Bytes, "what the near cache may hold"),
    ("larder.near.evictions", Counter, Unit::Count, "copies that made room for others"),
    ("larder.near.flushes", Counter, Unit::Count, "times that all copies were dropped, since the line was lost"),
    ("larder.near.proof_age", Gauge, Unit::Seconds, "how old a copy may be at most that is served now"),
    ("larder.store.duration", Histogram, Unit::Seconds, "operations of the store"),
    ("larder.store.failures", Counter, Unit::Count, "operations of the store that failed"),
    ("larder.store.cells", Counter, Unit::Count, "cells that operations of the store were about"),
    ("larder.breaker.state", Gauge, Unit::Count, "0 closed, 1 recovering, 2 open"),
    ("larder.breaker.opened", Counter, Unit::Count, "times that the breaker opened"),
    ("larder.breaker.spared", Counter, Unit::Count, "operations that failed without asking the store"),
    ("larder.transaction.duration", Histogram, Unit::Seconds, "committed transactions, from BEGIN to the end of all"),
    ("larder.transaction.failures", Counter, Unit::Count, "transactions that were not committed"),
    ("larder.memos", Counter, Unit::Count, "memos that were asked for"),
    (
        "larder.relay.lag",
        Histogram,
        Unit::Seconds,
        "age of the oldest row of the outbox of each batch that was settled",
    ),
    ("larder.behind.calls", Counter, Unit::Count, "calls that were written behind, by what became of them"),
    ("larder.behind.rows", Counter, Unit::Count, "rows that were changed for them"),
    ("larder.behind.rejected", Counter, Unit::Count, "changes that the database has rejected"),
    ("larder.behind.failures", Counter, Unit::Count, "flushes that failed"),
    (
        "larder.behind.lag",
        Gauge,
        Unit::Seconds,
        "how long the oldest change had waited when a flusher last looked, and longer while none can",
    ),
];

pub(super) fn describe_all() {
    for (name, kind, unit, help) in ALL {
        match kind {
            Counter => metrics::describe_counter!(*name, *unit, *help),
            Gauge => metrics::describe_gauge!(*name, *unit, *help),
            Histogram => metrics::describe_histogram!(*name, *unit, *help),
        }
    }
}
