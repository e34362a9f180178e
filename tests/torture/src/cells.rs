//! The cells in Redis, as somebody sees and changes them who has the server in his hands.

use larder::store::{CellKey, Fence, Nonce};
use redis::{Client, Cmd, Connection, FromRedisValue, RedisResult, Script};
use sha2::{Digest as _, Sha256};

/// Deletes a value or a lease, as eviction or the end of its time to live does. Leaves markers alone.
const EVICT: &str = "
local tag = redis.call('GETRANGE', KEYS[1], 0, 0)
if tag == 'V' or tag == 'L' then return redis.call('DEL', KEYS[1]) end
return 0";

/// Makes the record of a nonce one that has expired; where no other is left, the marker is gone, as it would be.
const EXPIRE: &str = "
local cell = redis.call('GET', KEYS[1])
if not cell or string.sub(cell, 1, 1) ~= 'M' then return 0 end
local records, found, living = {}, 0, false
for at = 11, #cell, 29 do
  local record = string.sub(cell, at, at + 28)
  if string.sub(record, 1, 16) == ARGV[1] and string.sub(record, 17) ~= '0000000000001' then
    record = ARGV[1] .. '0000000000001'
    found = 1
  end
  if string.sub(record, 17) ~= '0000000000001' then living = true end
  records[#records + 1] = record
end
if found == 0 then return 0 end
if living then
  redis.call('SET', KEYS[1], string.sub(cell, 1, 10) .. table.concat(records), 'KEEPTTL')
else
  redis.call('DEL', KEYS[1])
end
return 1";

/// A connection of its own to a server, and what lies there under a prefix.
pub struct Cells {
    client: Client,
    connection: Connection,
    namespace: Vec<u8>,
    evict: Script,
    expire: Script,
}

impl Cells {
    /// Connects.
    ///
    /// # Errors
    /// Those of Redis.
    pub fn connect(url: &str, namespace: &str) -> RedisResult<Self> {
        let client = Client::open(url)?;
        let connection = client.get_connection()?;
        let namespace = namespace.as_bytes().to_vec();
        Ok(Self { client, connection, namespace, evict: Script::new(EVICT), expire: Script::new(EXPIRE) })
    }

    /// Connects again, to a server that was started again.
    ///
    /// # Errors
    /// Those of Redis.
    pub fn reconnect(&mut self) -> RedisResult<()> {
        self.connection = self.client.get_connection()?;
        Ok(())
    }

    /// Runs a command, on a new connection if the one that was there is dead.
    fn query<T: FromRedisValue>(&mut self, command: &Cmd) -> RedisResult<T> {
        match command.query(&mut self.connection) {
            Err(error) if error.is_unrecoverable_error() => {
                self.reconnect()?;
                command.query(&mut self.connection)
            }
            outcome => outcome,
        }
    }

    fn name(&self, key: &CellKey) -> Vec<u8> {
        [&self.namespace, key.as_bytes()].concat()
    }

    /// Deletes a value or a lease: whether there was one.
    ///
    /// # Errors
    /// Those of Redis.
    pub fn evict(&mut self, key: &CellKey) -> RedisResult<bool> {
        let name = self.name(key);
        self.evict.key(name).invoke(&mut self.connection)
    }

    /// Lets a record of a marker expire: whether it was there.
    ///
    /// # Errors
    /// Those of Redis.
    pub fn expire(&mut self, key: &CellKey, nonce: Nonce) -> RedisResult<bool> {
        let name = self.name(key);
        self.expire.key(name).arg(nonce.as_bytes()).invoke(&mut self.connection)
    }

    /// Deletes cells, whatever they hold.
    ///
    /// # Errors
    /// Those of Redis.
    pub fn delete<'k>(&mut self, keys: impl Iterator<Item = &'k CellKey>) -> RedisResult<()> {
        let mut command = redis::cmd("UNLINK");
        let names: Vec<_> = keys.map(|key| self.name(key)).collect();
        if names.is_empty() { Ok(()) } else { self.query(command.arg(names)) }
    }

    /// The bytes of a cell.
    ///
    /// # Errors
    /// Those of Redis.
    pub fn bytes(&mut self, key: &CellKey) -> RedisResult<Option<Vec<u8>>> {
        let name = self.name(key);
        self.query(redis::cmd("GET").arg(name))
    }

    /// Puts bytes there.
    ///
    /// # Errors
    /// Those of Redis.
    pub fn put(&mut self, key: &CellKey, bytes: &[u8], only_if_absent: bool) -> RedisResult<()> {
        let name = self.name(key);
        let mut command = redis::cmd("SET");
        command.arg(name).arg(bytes).arg("PX").arg(600_000);
        if only_if_absent {
            command.arg("NX");
        }
        self.query(&command)
    }

    /// Runs a command that has no key.
    ///
    /// # Errors
    /// Those of Redis.
    pub fn order(&mut self, words: &[&str]) -> RedisResult<()> {
        self.query(redis::cmd(words[0]).arg(&words[1..]))
    }

    /// The reign that the server is in, as `larder-redis` tells it from others.
    ///
    /// # Errors
    /// Those of Redis.
    pub fn fence(&mut self) -> RedisResult<Fence> {
        const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let [server, replication]: [redis::InfoDict; 2] =
            [self.query(redis::cmd("INFO").arg("server"))?, self.query(redis::cmd("INFO").arg("replication"))?];
        let run_id: String = server.get("run_id").unwrap_or_default();
        let replication_id: String = replication.get("master_replid").unwrap_or_default();
        let digest = Sha256::digest(format!("{run_id} {replication_id}"));
        Ok(Fence(std::array::from_fn(|n| DIGITS[usize::from(digest[n] & 63)])))
    }
}
