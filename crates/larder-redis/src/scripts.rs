//! The scripts that change cells, as the server knows them.

use std::sync::LazyLock;

/// A script and the name under which the server remembers it.
pub(crate) struct Script {
    pub(crate) source: &'static str,
    /// The SHA-1 of the source, in hexadecimal.
    pub(crate) hash: String,
}

macro_rules! script {
    ($name:ident, $($file:literal),+) => {
        pub(crate) static $name: LazyLock<Script> =
            LazyLock::new(|| Script::new(concat!(include_str!("scripts/cell.lua"), $(include_str!($file)),+)));
    };
}

script!(BEGIN, "scripts/message.lua", "scripts/begin.lua");
script!(FINISH, "scripts/message.lua", "scripts/finish.lua");
script!(LEASE, "scripts/lease.lua");
script!(FILL, "scripts/fill.lua");
script!(EXTEND, "scripts/extend.lua");
script!(STAMP, "scripts/stamp.lua");
script!(SETTLE, "scripts/message.lua", "scripts/settle.lua");

/// For buffers, which have no cells.
pub(crate) static APPEND: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("scripts/append.lua")));
pub(crate) static REMOVE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("scripts/remove.lua")));

/// For rate limits.
pub(crate) static TAKE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("scripts/take.lua")));

/// For sessions.
pub(crate) mod sessions {
    use super::{LazyLock, Script};

    macro_rules! script {
        ($name:ident, $file:literal) => {
            pub(crate) static $name: LazyLock<Script> = LazyLock::new(|| {
                Script::new(concat!(include_str!("scripts/sessions/common.lua"), include_str!($file)))
            });
        };
    }

    script!(CREATE, "scripts/sessions/create.lua");
    script!(LOAD, "scripts/sessions/load.lua");
    script!(SAVE, "scripts/sessions/save.lua");
    script!(ROTATE, "scripts/sessions/rotate.lua");
    script!(OTHERS, "scripts/sessions/others.lua");
}

/// For streams.
pub(crate) mod streams {
    use super::{LazyLock, Script};

    pub(crate) static SEND: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("scripts/streams/send.lua")));
    pub(crate) static TAKE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("scripts/streams/take.lua")));
    pub(crate) static BACKLOG: LazyLock<Script> =
        LazyLock::new(|| Script::new(include_str!("scripts/streams/backlog.lua")));
}

/// Sent as it is each time, a few times a second: by those who listen, and can't repeat themselves when the server has forgotten it.
pub(crate) const RENEW: &str = include_str!("scripts/renew.lua");

impl Script {
    fn new(source: &'static str) -> Self {
        Self { source, hash: redis::Script::new(source).get_hash().to_owned() }
    }
}
