-- How a group stands. KEYS: the stream, its counter, its dead letters, what its groups have had. ARGV: the group.
-- Answers with how many messages are new to it, how many are being worked on, how many it has lost, and how many dead letters there are.
local held = redis.call('HMGET', KEYS[4], 'last:' .. ARGV[1], 'lost:' .. ARGV[1])
local total = tonumber(redis.call('GET', KEYS[2]) or 0)
local pending = redis.pcall('XPENDING', KEYS[1], ARGV[1])
local n_pending = 0
-- A group that nobody has read for yet is no error.
if type(pending) == 'table' and not pending.err then n_pending = pending[1] end
local n_new = math.max(0, total - tonumber(held[1] or 0))
if not held[1] then n_new = redis.call('XLEN', KEYS[1]) end
local function text(n) return string.format('%.0f', n) end
return { text(n_new), text(n_pending), held[2] or '0', text(redis.call('XLEN', KEYS[3])) }
