-- Puts a listener on the list of those who hold copies of strict models, or keeps it there.
-- KEYS: the holders. ARGV: fence(8), for how long in ms, its name(16), a number that is answered with.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local since = redis.pcall('ZSCORE', KEYS[1], '@' .. ARGV[1])
if type(since) ~= 'string' then
  -- Of another life of the server, or gone: who was on it has to register again.
  redis.call('DEL', KEYS[1])
  redis.call('ZADD', KEYS[1], -now, '@' .. ARGV[1])
end
redis.call('ZREMRANGEBYSCORE', KEYS[1], 0, now)
redis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[3])
redis.call('PEXPIRE', KEYS[1], 86400000)
return ARGV[4]
