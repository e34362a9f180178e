use larder_redis::RedisStore;
use servers::{Redis, RedisOptions};
use shop_core::User;
use tests::{Shop, redis_url};

use crate::command::{bare, command, end};

#[test]
fn help_is_given_whatever_else_is_missing() {
    for (arguments, word) in [(&[][..], "Commands:"), (&["--help"], "--namespace"), (&["verify", "--help"], "--grace")]
    {
        let ended = end(bare(arguments));
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{ended:?}");
        assert!(ended.stdout.contains(word), "{ended:?}");
    }
}

#[test]
fn a_line_that_makes_no_sense_ends_with_2() {
    for (arguments, why) in [
        (&["vérify"][..], "there is no command \"vérify\": --help tells which there are"),
        (&["verify"], "the database is not named: give --database-url, or set DATABASE_URL"),
        (&["verify", "--rate", "-1"], "--rate takes a whole number, not \"-1\""),
    ] {
        let ended = end(bare(arguments));
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""), "{ended:?}");
        assert_eq!(ended.stderr, format!("error: {why}\n"));
    }
}

#[test]
fn a_database_that_can_not_be_reached_is_told_without_its_password() {
    for url in [
        "postgres://ada:hunter2@127.0.0.1:1/shop",
        "postgres:/ada:hunter2@127.0.0.1:1/shop",
        "host=127.0.0.1 port=1 password=hunter2",
        "postgres://ada:hunter2@other@127.0.0.1:1/shop",
    ] {
        let ended = end(bare(&["verify", "--database-url", url, "--redis-url", &redis_url()]));
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""), "{ended:?}");
        assert!(ended.stderr.starts_with("error: ") && !ended.stderr.contains("hunter2"), "{ended:?}");
        assert!(!ended.stderr.contains("other"), "{ended:?}");
    }
}

#[test]
fn a_redis_that_can_not_be_reached_is_told_without_its_password() {
    let shop = Shop::new();
    for (url, why) in [
        ("redis://:hunter2@127.0.0.1:1/", "the shared store could not be searched: "),
        ("radis://:hunter2@127.0.0.1:1/", "the URL of the store is malformed"),
    ] {
        let arguments = ["verify", "--database-url", shop.database.url(), "--redis-url", url];
        let ended = end(bare(&arguments));
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""), "{ended:?}");
        assert!(ended.stderr.contains(why) && !ended.stderr.contains("hunter2"), "{ended:?}");
    }
}

#[test]
fn a_namespace_without_any_cell_is_worth_a_note() {
    let shop = Shop::new();
    let ada = shop.user("ada");
    User::repository(&shop.larder).get(ada.id).unwrap();
    let ended = end(command(&shop, &["verify"]));
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{ended:?}");
    let arguments =
        ["verify", "--database-url", shop.database.url(), "--redis-url", &redis_url(), "--namespace", "nobody's:"];
    let ended = end(bare(&arguments));
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.stderr.contains("is the namespace that of the application?"), "{ended:?}");
    let quiet = end(bare(&[&arguments[..], &["--quiet"]].concat()));
    assert_eq!((quiet.code, quiet.stderr.as_str()), (Some(0), ""));
}

#[test]
fn settings_of_redis_that_break_promises_are_told() {
    let settings = [("maxmemory", "64mb"), ("maxmemory-policy", "volatile-ttl")];
    let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    let redis = Redis::start(RedisOptions { settings, ..RedisOptions::default() }).unwrap();
    assert!(RedisStore::connect(&redis.url()).unwrap().warnings().is_some_and(|warnings| warnings.len() == 1));
    let shop = Shop::new();
    let ended = end(bare(&["verify", "--database-url", shop.database.url(), "--redis-url", &redis.url()]));
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.stderr.starts_with("warning: redis: maxmemory-policy is volatile-ttl"), "{ended:?}");
}
