use larder::store::{Ending, Nonce, Recall, Store};

use crate::{
    cells::{FOREIGN, NOTHING, begin, finish, held, key, put, read, stored},
    log::Log,
    server::Server,
};

const SECRET: &str = "hunter2";

/// Strings that are no cells, some of them nearly.
fn garbage() -> Vec<Vec<u8>> {
    let marker = b"Mcfence123noncenoncenonce!1234567890123";
    let mut all: Vec<Vec<u8>> = vec![
        SECRET.as_bytes().to_vec(),
        b"\0\xff\r\n".to_vec(),
        b"12345".to_vec(),
        b"V".to_vec(),
        b"L".to_vec(),
        b"M".to_vec(),
        b"Mc".to_vec(),
        b"Vfence123AAAAAAAAstamp".to_vec(),
        b"Lfence123AAAAAAAAtoken".to_vec(),
        b"Lfence123AAAAAAAAtokentokentokentoken".to_vec(),
        marker[..10].to_vec(),
        marker[..38].to_vec(),
        [&marker[..], b"!"].concat(),
        vec![b'V'; 20],
        vec![0xff; 100_000],
    ];
    all.extend((1..33).map(|n| vec![b'V'; n]));
    all
}

#[test]
fn what_is_no_cell_is_foreign_and_gives_way() {
    let server = Server::private(&[]);
    let (store, mut raw, key) = (server.builder().namespace("here:").build().unwrap(), server.raw(), key("a"));
    let mut spoil = |bytes: &[u8]| redis::cmd("SET").arg("here:a").arg(bytes).exec(&mut raw).unwrap();
    for bytes in garbage() {
        let what = bytes[..bytes.len().min(50)].escape_ascii().to_string();
        spoil(&bytes);
        assert_eq!(read(&store, &key).unwrap(), FOREIGN, "{what}");
        put(&store, &key, b"filled");
        assert_eq!(read(&store, &key).unwrap(), held(b"filled"), "{what}");

        spoil(&bytes);
        let nonce = begin(&store, &key).unwrap();
        finish(&store, &key, nonce, stored(b"written")).unwrap();
        assert_eq!(read(&store, &key).unwrap(), held(b"written"), "{what}");

        spoil(&bytes);
        finish(&store, &key, Nonce::fresh(), Ending::Emptied).unwrap();
        assert_eq!(read(&store, &key).unwrap(), NOTHING, "{what}");

        spoil(&bytes);
        store.settle(None, &[&key]).unwrap();
        assert_eq!(read(&store, &key).unwrap(), NOTHING, "{what}");
    }
}

#[test]
fn a_cell_of_ours_that_is_cut_short_gives_way() {
    let server = Server::private(&[]);
    let (store, mut raw, key) = (server.builder().namespace("here:").build().unwrap(), server.raw(), key("a"));
    put(&store, &key, b"");
    let whole: Vec<u8> = redis::cmd("GET").arg("here:a").query(&mut raw).unwrap();
    for tag in [b'V', b'L'] {
        for n_bytes in 1..whole.len() {
            let short = [&[tag], &whole[1..n_bytes]].concat();
            redis::cmd("SET").arg("here:a").arg(&short).exec(&mut raw).unwrap();
            assert_eq!(read(&store, &key).unwrap(), FOREIGN, "{n_bytes} bytes");
            put(&store, &key, b"filled");
        }
    }
}

#[test]
fn a_marker_with_senseless_records_blocks_until_the_next_write_only() {
    let server = Server::private(&[]);
    let (store, mut raw, key) = (server.builder().namespace("here:").build().unwrap(), server.raw(), key("a"));
    redis::cmd("SET").arg("here:a").arg([&b"Mcfence123"[..], &[b'x'; 29]].concat()).exec(&mut raw).unwrap();
    assert_eq!(read(&store, &key).unwrap(), larder::store::Cell::InDoubt);
    let nonce = begin(&store, &key).unwrap();
    finish(&store, &key, nonce, stored(b"new")).unwrap();
    assert_eq!(read(&store, &key).unwrap(), NOTHING);
    put(&store, &key, b"new");
}

#[test]
fn another_type_under_a_key_gives_way_and_disturbs_no_other_key() {
    let server = Server::private(&[]);
    let (store, mut raw) = (server.builder().namespace("here:").build().unwrap(), server.raw());
    let [list, good] = ["list", "good"].map(key);
    let mut spoil = || {
        redis::cmd("DEL").arg("here:list").exec(&mut raw).unwrap();
        redis::cmd("RPUSH").arg("here:list").arg(SECRET).exec(&mut raw).unwrap();
    };
    spoil();
    put(&store, &good, b"good");
    assert_eq!(store.read(&[list.clone(), good.clone()]).unwrap(), [NOTHING, held(b"good")]);
    put(&store, &list, b"filled");

    spoil();
    let nonce = Nonce::fresh();
    store.begin(nonce, &[&list, &good], crate::cells::LONG, Recall::Announced).unwrap();
    store.finish(nonce, &[(&list, stored(b"one")), (&good, stored(b"two"))]).unwrap();
    assert_eq!(store.read(&[list.clone(), good.clone()]).unwrap(), [held(b"one"), held(b"two")]);

    spoil();
    finish(&store, &list, Nonce::fresh(), Ending::Emptied).unwrap();
    put(&store, &list, b"filled");
    spoil();
    store.settle(None, &[&list, &good]).unwrap();
    put(&store, &list, b"filled");
}

#[test]
fn garbage_is_reported_by_its_key_and_never_by_its_bytes() {
    let server = Server::private(&[]);
    let (store, mut raw) = (server.builder().namespace("here:").build().unwrap(), server.raw());
    redis::cmd("SET").arg("here:users:id:1").arg(SECRET).exec(&mut raw).unwrap();
    let key = key("users:id:1");
    let lines = Log::of(|| {
        read(&store, &key).unwrap();
        put(&store, &key, b"filled");
        read(&store, &key).unwrap();
    });
    assert_eq!(lines.len(), 2, "{lines:?}");
    for line in lines {
        assert!(line.contains("users:id:1") && !line.contains(SECRET), "{line}");
    }
}

#[test]
fn a_marker_that_was_gone_too_early_is_reported() {
    let server = Server::private(&[]);
    let (store, mut raw) = (server.store(), server.raw());
    let key = key("a");
    let nonce = begin(&store, &key).unwrap();
    redis::cmd("FLUSHALL").exec(&mut raw).unwrap();
    let lines = Log::of(|| finish(&store, &key, nonce, stored(b"new")).unwrap());
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains("n_lost=1"), "{lines:?}");
    assert_eq!(read(&store, &key).unwrap(), NOTHING);
}
