-- Marks cells as in doubt, and takes every value and lease out of them.
-- ARGV: nonce(16), hold in ms, fence(8). Answers 1 for a cell that nobody else writes, 2 for one with other writes in doubt.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local deadline = now + ARGV[2]
local fence, record = ARGV[3], ARGV[1] .. string.format('%013d', deadline)
local marker = 'Mc' .. fence .. record
local answers = {}
for i, key in ipairs(KEYS) do
  answers[i] = '1'
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
return table.concat(answers)
