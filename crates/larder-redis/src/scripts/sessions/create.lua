-- Begins a session. KEYS: the session, and the user's generation if it is a user's.
-- ARGV: idle time and life in ms, the data; and of a user: who it is, the digest of that, a fresh generation.
local session = { x = now + ARGV[2] }
redis.call('HSET', KEYS[1], 'v', 1, 'x', string.format('%.0f', session.x), 'd', ARGV[3])
if KEYS[2] then
  redis.call('HSET', KEYS[1], 'u', ARGV[4], 'k', ARGV[5], 'g', generation(KEYS[2], ARGV[6], ARGV[2]))
end
used(KEYS[1], session, ARGV[1])
return '1'
