-- Ends all sessions of a session's user but this one. KEYS: the session. ARGV: what users' keys begin with, a fresh generation.
-- Answers '1', or '0' if it is over, or nobody's.
local session = good(KEYS[1], ARGV[1])
if not session or not session.k then return '0' end
redis.call('SET', ARGV[1] .. session.k, ARGV[2], 'KEEPTTL')
redis.call('HSET', KEYS[1], 'g', ARGV[2])
return '1'
