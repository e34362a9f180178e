-- Marks cells as in doubt, takes every value and lease out of them, and announces it to those who hold copies.
-- KEYS: cells, the key of the last place, the key of the holders.
-- ARGV: nonce(16), hold in ms, fence(8), channel, where keys begin behind the namespace, and how to announce it: 'D' as a part, of
-- which the rest follows; 'B' as a write; 'A' as one that waits, with the asker(16), the deadline of holders in ms, and how many to
-- ask at most.
-- Answers with a digit for each cell: 1 if nobody else writes it, 2 with other writes in doubt. Then, unless it is a part, with the
-- place, and where the write waits with 'w' for the full time, or 'h' and the holders(16) to wait for.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local deadline = now + ARGV[2]
local nonce, fence, record = ARGV[1], ARGV[3], ARGV[1] .. string.format('%013d', deadline)
local marker = 'Mc' .. fence .. record
local announced, holders = KEYS[#KEYS - 1], KEYS[#KEYS]
local cells, answers = {}, {}
for i = 1, #KEYS - 2 do
  local key = KEYS[i]
  cells[i], answers[i] = key, '1'
  -- Nearly always nobody else writes, and one command does it.
  local old = redis.pcall('SET', key, marker, 'PX', ARGV[2], 'GET')
  if type(old) == 'table' then
    -- Another type lies there, which can't be given back, or nothing can be set at all.
    redis.call('SET', key, marker, 'PX', ARGV[2])
  elseif old and tag_of(old) == 'M' then
    local others, latest = {}, deadline
    for at = 11, #old, 29 do
      local theirs = tonumber(string.sub(old, at + 16, at + 28))
      if theirs and theirs > now then
        others[#others + 1] = string.sub(old, at, at + 28)
        if theirs > latest then latest = theirs end
      end
    end
    -- A crowd is one record that nobody can take back: it expires.
    if #others >= 32 then others = { string.rep('*', 16) .. string.format('%013d', latest) } end
    -- Should the server refuse this after it took the first one, our marker stays alone, is never ended, and covers theirs.
    redis.call('SET', key, 'Md' .. fence .. table.concat(others) .. record, 'PX', latest - now)
    answers[i] = '2'
  end
end
answers = table.concat(answers)
local channel, start, way = ARGV[4], tonumber(ARGV[5]), ARGV[6]
if way == 'D' then
  publish(channel, 'D', cells, start)
  return answers
end

-- A place of another life of the server may have been given out there once more, to other writes.
local series, number = nonce, 1
local last = redis.pcall('GET', announced)
if type(last) == 'string' and #last == 40 and string.sub(last, 1, 8) == fence and tonumber(string.sub(last, 25)) then
  series, number = string.sub(last, 9, 24), tonumber(string.sub(last, 25)) + 1
end
local place = series .. string.format('%016.0f', number)
-- Nobody asks for a place that is older than a day.
redis.call('SET', announced, fence .. place, 'PX', 86400000)
if way == 'B' then
  publish(channel, 'B' .. place, cells, start)
  return answers .. place
end

-- Holders that are not on the list have none of this life of the server, or registered themselves with one that it has lost: until all
-- of them have had the time to do it again, nobody knows whom to wait for.
local since = redis.pcall('ZSCORE', holders, '@' .. fence)
if type(since) ~= 'string' then
  since = -now
  redis.call('DEL', holders)
  redis.call('ZADD', holders, since, '@' .. fence)
  redis.call('PEXPIRE', holders, 86400000)
end
local asked = {}
local is_known = now >= ARGV[8] - since
if is_known then
  asked = redis.call('ZRANGEBYSCORE', holders, now, '+inf')
  is_known = #asked <= tonumber(ARGV[9])
end
if is_known and #asked > 0 then
  publish(channel, 'A' .. place .. nonce .. ARGV[7], cells, start)
else
  publish(channel, 'B' .. place, cells, start)
end
if is_known then return answers .. place .. 'h' .. table.concat(asked) end
return answers .. place .. 'w'
