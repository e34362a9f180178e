-- Changes the data of a session that is as it was read. KEYS: the session.
-- ARGV: what users' keys begin with, the idle time in ms, the version that was read, the data.
-- Answers '1' if it was changed, '2' if somebody else has changed it meanwhile, '0' if it is over: what is over is never begun again here.
local session = good(KEYS[1], ARGV[1])
if not session then return '0' end
if session.v ~= ARGV[3] then return '2' end
redis.call('HSET', KEYS[1], 'v', string.format('%.0f', session.v + 1), 'd', ARGV[4])
used(KEYS[1], session, ARGV[2])
return '1'
