-- Adds entries to the stream of a buffer, all of them or none. ARGV: how many there may be at most, how many bytes, what an entry counts
-- for besides its own, then the entries. Answers 1, and how many there are with them, and how many bytes; or 0, if there would be more, and
-- what there is without.
--
-- An entry's number, behind its time, is how many bytes were added up to it, since the stream was last empty. So the first entry and the
-- last number tell how many wait, and nothing has to be kept beside the stream that might be lost without it.
local key, each = KEYS[1], tonumber(ARGV[3])
local n, bytes, time, total = redis.call('XLEN', key), 0, 0, 0
local function parts(id)
  local time, number = string.match(id, '^(%d+)-(%d+)$')
  return tonumber(time), tonumber(number)
end
local info = redis.pcall('XINFO', 'STREAM', key)
if info.err then
  -- One that was never written to is none.
  if n > 0 then return info end
else
  local about = {}
  for i = 1, #info, 2 do about[info[i]] = info[i + 1] end
  time, total = parts(about['last-generated-id'])
  if n > 0 then
    local first = about['first-entry']
    local _, number = parts(first[1])
    bytes = total - number + each
    for i = 2, #first[2], 2 do bytes = bytes + #first[2][i] end
    -- Others have numbered theirs.
    if bytes < 0 then bytes = 0 end
  end
end
local added = 0
for i = 4, #ARGV do added = added + each + #ARGV[i] end
local function answer(digit, n, bytes) return string.format('%s %.0f %.0f', digit, n, bytes) end
if n + #ARGV - 3 > tonumber(ARGV[1]) or bytes + added > tonumber(ARGV[2]) then return answer('0', n, bytes) end
local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000 + math.floor(tonumber(clock[2]) / 1000)
if now > time then
  -- Numbers may begin again with a new time; above 2^53 they would not be exact.
  if n == 0 or total > 2 ^ 52 then total = 0 end
  time = now
end
for i = 4, #ARGV do
  total = total + each + #ARGV[i]
  redis.call('XADD', key, string.format('%.0f-%.0f', time, total), 'e', ARGV[i])
end
return answer('1', n + #ARGV - 3, bytes + added)
