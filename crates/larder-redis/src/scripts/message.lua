-- What is published to those who hold copies of cells:
--   D { size(8) key }*                                       these were emptied, or are part of a larger write
--   B series(16) number(16) { size(8) key }*                 a write has begun, at that place
--   A series(16) number(16) nonce(16) asker(16) { .. }*      the same, and the asker waits until its cells are dropped everywhere
-- A key is without its namespace, and its size in hexadecimal. Told once for all keys of a call.
local function publish(channel, head, keys, start)
  local message = { head }
  for i, key in ipairs(keys) do
    local name = string.sub(key, start)
    message[i + 1] = string.format('%08x', #name) .. name
  end
  redis.call('PUBLISH', channel, table.concat(message))
end
