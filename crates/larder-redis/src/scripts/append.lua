-- Adds entries to the stream of a buffer, all of them or none. ARGV: how many there may be at most, then the entries.
-- Answers 1 and how many there are with them; or 0, if there would be more, and how many there are without.
local n = redis.call('XLEN', KEYS[1])
local total = n + #ARGV - 1
if total > tonumber(ARGV[1]) then return '0' .. n end
for i = 2, #ARGV do redis.call('XADD', KEYS[1], '*', 'e', ARGV[i]) end
return '1' .. total
