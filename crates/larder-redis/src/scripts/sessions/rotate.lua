-- Gives a session another key. KEYS: the old one, the new one, and the user's generation if it becomes a user's.
-- ARGV: what users' keys begin with, the idle time in ms; and for a user: the life in ms from now on, who it is, the digest of that, a fresh
-- generation.
-- Answers with what is known of it, or nil.
local session = good(KEYS[1], ARGV[1])
if not session then return nil end
redis.call('RENAME', KEYS[1], KEYS[2])
if KEYS[3] then
  session.x, session.u = now + ARGV[3], ARGV[4]
  local group = generation(KEYS[3], ARGV[6], ARGV[3])
  redis.call('HSET', KEYS[2], 'x', string.format('%.0f', session.x), 'u', session.u, 'k', ARGV[5], 'g', group)
end
used(KEYS[2], session, ARGV[2])
return known(session)
