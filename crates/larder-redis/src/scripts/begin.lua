-- Marks cells as in doubt, and takes every value and lease out of them.
-- ARGV: nonce(16), hold in ms, fence(8). Answers 1 for a cell that nobody else writes, 2 for one with other writes in doubt.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local deadline = now + ARGV[2]
local record = ARGV[1] .. string.format('%013d', deadline)
local answers = {}
for i, key in ipairs(KEYS) do
  local tag, bytes = cell(key)
  local flag, others, latest = 'c', {}, deadline
  if tag == 'M' then
    flag = 'd'
    for at = 11, #bytes, 29 do
      local theirs = tonumber(string.sub(bytes, at + 16, at + 28))
      if theirs and theirs > now then
        others[#others + 1] = string.sub(bytes, at, at + 28)
        if theirs > latest then latest = theirs end
      end
    end
  end
  -- A crowd is one record that nobody can take back: it expires.
  if #others >= 32 then others = { string.rep('*', 16) .. string.format('%013d', latest) } end
  redis.call('SET', key, 'M' .. flag .. ARGV[3] .. table.concat(others) .. record, 'PX', latest - now)
  answers[i] = flag == 'c' and '1' or '2'
end
return table.concat(answers)
