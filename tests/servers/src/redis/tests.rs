use super::*;

#[test]
fn a_killed_server_starts_again_empty_on_its_port() -> Result<(), Error> {
    let mut redis = Redis::start(RedisOptions::default())?;
    let (port, pid) = (redis.port(), redis.pid());
    assert_eq!(ask(port, "SET k v"), "+OK\r\n");
    redis.kill()?;
    assert_eq!(redis.pid(), None);
    assert!(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err());
    redis.restart()?;
    assert_eq!(redis.port(), port);
    assert_ne!(redis.pid(), pid);
    assert_eq!(ask(port, "GET k"), "$-1\r\n");
    Ok(())
}

#[test]
fn a_persistent_server_keeps_its_data_when_killed() -> Result<(), Error> {
    let mut redis = Redis::start(RedisOptions { persistent: true, ..RedisOptions::default() })?;
    assert_eq!(ask(redis.port(), "SET k v"), "+OK\r\n");
    redis.kill()?;
    redis.restart()?;
    assert_eq!(ask(redis.port(), "GET k"), "$1\r\nv\r\n");
    Ok(())
}

#[test]
fn a_killed_server_has_its_last_snapshot_again() -> Result<(), Error> {
    let mut redis = Redis::start(RedisOptions::default())?;
    for command in ["SET k 1", "SAVE", "SET k 2"] {
        assert_eq!(ask(redis.port(), command), "+OK\r\n");
    }
    redis.kill()?;
    redis.restart()?;
    assert_eq!(ask(redis.port(), "GET k"), "$1\r\n1\r\n");
    Ok(())
}

#[test]
fn a_frozen_server_does_not_answer_until_it_goes_on() -> Result<(), Error> {
    let redis = Redis::start(RedisOptions::default())?;
    redis.pause()?;
    let mut connection = TcpStream::connect((Ipv4Addr::LOCALHOST, redis.port())).unwrap();
    connection.write_all(b"PING\r\nQUIT\r\n").unwrap();
    connection.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    let mut answer = String::new();
    assert!(connection.read_to_string(&mut answer).is_err());
    redis.resume()?;
    connection.set_read_timeout(None).unwrap();
    connection.read_to_string(&mut answer).unwrap();
    assert_eq!(answer, "+PONG\r\n+OK\r\n");
    Ok(())
}

#[test]
fn another_server_on_the_port_is_not_taken_for_it() -> Result<(), Error> {
    let first = Redis::start(RedisOptions::default())?;
    let mut second = Redis::start(RedisOptions::default())?;
    second.stop()?;
    second.port = first.port();
    let error = second.restart().unwrap_err();
    assert!(error.is_port_taken(), "{error}");
    Ok(())
}

#[test]
fn a_dropped_server_leaves_neither_process_nor_directory() -> Result<(), Error> {
    let redis = Redis::start(RedisOptions::default())?;
    let (port, directory) = (redis.port(), redis.daemon.directory().to_owned());
    assert!(directory.exists());
    redis.pause()?;
    drop(redis);
    assert!(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err());
    assert!(!directory.exists());
    Ok(())
}

/// What the server answers to one command.
fn ask(port: u16, command: &str) -> String {
    let mut connection = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    connection.write_all(format!("{command}\r\nQUIT\r\n").as_bytes()).unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    answer.strip_suffix("+OK\r\n").unwrap().to_owned()
}
