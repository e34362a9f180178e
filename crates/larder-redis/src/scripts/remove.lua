-- Takes entries out of the stream of a buffer (the first key), and their bytes out of what stands under the second. ARGV: what an entry
-- counts for besides its own bytes, then where the entries are. Answers how many were there.
local n, bytes = 0, 0
for i = 2, #ARGV do
  local found = redis.call('XRANGE', KEYS[1], ARGV[i], ARGV[i])[1]
  if found then
    n, bytes = n + redis.call('XDEL', KEYS[1], ARGV[i]), bytes + ARGV[1]
    for field = 2, #found[2], 2 do bytes = bytes + #found[2][field] end
  end
end
if n > 0 then
  local left = (tonumber(redis.call('GET', KEYS[2]) or 0) or 0) - bytes
  -- Others may have added what was never counted.
  redis.call('SET', KEYS[2], string.format('%.0f', math.max(left, 0)))
end
return n
