-- Adds messages to a stream, and forgets the oldest of those that are too many or too old. KEYS: the stream, its counter.
-- ARGV: how many to keep about, the age in ms after which they go or 0, and the messages. Answers with the number of the last one.
local first = redis.call('INCRBY', KEYS[2], #ARGV - 2) - (#ARGV - 3)
for i = 3, #ARGV do
  redis.call('XADD', KEYS[1], '*', 'n', string.format('%.0f', first + i - 3), 'e', ARGV[i])
end
redis.call('XTRIM', KEYS[1], 'MAXLEN', '~', ARGV[1])
if ARGV[2] ~= '0' then
  local time = redis.call('TIME')
  local oldest = time[1] * 1000 + math.floor(time[2] / 1000) - ARGV[2]
  -- To the entry: of few entries none would ever go by whole nodes.
  redis.call('XTRIM', KEYS[1], 'MINID', string.format('%.0f', math.max(0, oldest)))
end
return string.format('%.0f', first + #ARGV - 3)
