-- Gives a consumer what it is to work on: first what others have left lying, then what is new.
-- KEYS: the stream, its counter, its dead letters, what its groups have had.
-- ARGV: the group, the consumer, how many at most, where a new group begins ('0' or '$'), after how many ms something was left lying,
-- or 0 not to look, how often to deliver at most, how many dead letters to keep, and of how many lost messages the consumer's user was told.
-- Answers with how many messages the group has lost in all, of how many of those somebody was told before, the id behind which new ones
-- come if there are none now, and the messages: for each its id, how often it was delivered, its number, and itself.
local stream, counter, dead, groups = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local group, consumer, most = ARGV[1], ARGV[2], tonumber(ARGV[3])

-- The fields of an entry: its number and its bytes. One that somebody else has added may have others.
local function read(entry)
  local fields = {}
  for i = 1, #entry[2], 2 do fields[entry[2][i]] = entry[2][i + 1] end
  return fields.n or '', fields.e or ''
end

local held = redis.call('HMGET', groups, 'last:' .. group, 'lost:' .. group, 'told:' .. group)
local last, lost, told = tonumber(held[1] or nil), tonumber(held[2] or 0), tonumber(held[3] or 0)
-- The id of the last new message that the group was given: nil if there is no such group.
local function given()
  if redis.call('EXISTS', stream) == 0 then return nil end
  for _, known in ipairs(redis.call('XINFO', 'GROUPS', stream)) do
    local fields = {}
    for i = 1, #known, 2 do fields[known[i]] = known[i + 1] end
    if fields.name == group then return fields['last-delivered-id'] end
  end
end
local behind = given()
if not behind then
  -- A group that is known, and is not there, has gone with its stream.
  redis.call('XGROUP', 'CREATE', stream, group, last and '0' or ARGV[4], 'MKSTREAM')
  behind = given()
end
local total = tonumber(redis.call('GET', counter) or 0)
if not last then
  -- What was there before the group is not its loss.
  last = total
  local oldest = ARGV[4] == '0' and redis.call('XRANGE', stream, '-', '+', 'COUNT', 1)[1]
  if oldest then last = (tonumber((read(oldest))) or total + 1) - 1 end
end

local taken = {}
local function take(entry, n_deliveries)
  local number, bytes = read(entry)
  taken[#taken + 1] = { entry[1], tostring(n_deliveries), number, bytes }
  return tonumber(number)
end

if ARGV[5] ~= '0' then
  -- More than are wanted: of those that are gone or dead none is given out.
  for _, left in ipairs(redis.call('XPENDING', stream, group, 'IDLE', ARGV[5], '-', '+', most + 100)) do
    local id, n_deliveries = left[1], left[4]
    local entry = redis.call('XRANGE', stream, id, id)[1]
    if not entry then
      redis.call('XACK', stream, group, id)
      lost = lost + 1
    elseif n_deliveries >= tonumber(ARGV[6]) then
      local number, bytes = read(entry)
      redis.call('XADD', dead, 'MAXLEN', '~', ARGV[7], '*', 'g', group, 'd', n_deliveries, 'n', number, 'e', bytes)
      redis.call('XACK', stream, group, id)
    elseif #taken < most then
      redis.call('XCLAIM', stream, group, consumer, 0, id)
      take(entry, n_deliveries + 1)
    end
  end
end

local wanted = most - #taken
if wanted > 0 then
  local answer = redis.call('XREADGROUP', 'GROUP', group, consumer, 'COUNT', wanted, 'STREAMS', stream, '>')
  local fresh = answer and answer[1] and answer[1][2] or {}
  for _, entry in ipairs(fresh) do
    local number = take(entry, 1) or last
    if number > last + 1 then lost = lost + number - last - 1 end
    last = number
  end
  if #fresh < wanted and total > last then
    -- There is nothing behind the last one, and yet there have been more.
    lost, last = lost + total - last, total
  end
end
local function text(n) return string.format('%.0f', n) end
-- A consumer may remember another life of the server.
local known = text(math.min(lost, math.max(told, tonumber(ARGV[8]))))
redis.call('HSET', groups, 'last:' .. group, text(last), 'lost:' .. group, text(lost), 'told:' .. group, known)
return { text(lost), text(told), behind, taken }
