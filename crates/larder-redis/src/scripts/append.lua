-- Adds entries to the stream of a buffer (the first key), all of them or none. ARGV: how many there may be at most, how many bytes, what an
-- entry counts for besides its own, then the entries. Answers 1, and how many there are with them, and how many bytes; or 0, if there would
-- be more, and what there is without.
--
-- How many bytes wait stands under the second key. It is lost together with entries that are lost, since what a script does is logged and
-- sent to replicas as one; and it begins anew with each stream that was empty.
local n, bytes, added = redis.call('XLEN', KEYS[1]), 0, 0
if n > 0 then bytes = tonumber(redis.call('GET', KEYS[2]) or 0) or 0 end
for i = 4, #ARGV do added = added + ARGV[3] + #ARGV[i] end
local function answer(digit, n, bytes) return string.format('%s %.0f %.0f', digit, n, bytes) end
if n + #ARGV - 3 > tonumber(ARGV[1]) or bytes + added > tonumber(ARGV[2]) then return answer('0', n, bytes) end
for i = 4, #ARGV do redis.call('XADD', KEYS[1], '*', 'e', ARGV[i]) end
if added > 0 then redis.call('SET', KEYS[2], string.format('%.0f', bytes + added)) end
return answer('1', n + #ARGV - 3, bytes + added)
