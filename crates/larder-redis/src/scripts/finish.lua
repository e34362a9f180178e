-- Ends the write of a nonce. ARGV: nonce(16), then for each key a wish and a time to live in ms. The wish is the whole cell of a
-- value, or 'D' for a cell that is to be emptied, or 'R' after a roll-back.
-- Answers 0 if there is nothing, 1 if the value was stored, 2 if our marker was lost, 3 if others still write, 4 if emptied.
local nonce = ARGV[1]
local answers = {}
for i, key in ipairs(KEYS) do
  local wish, ttl = ARGV[2 * i], ARGV[2 * i + 1]
  local tag, bytes = cell(key)
  local answer = '0'
  if tag == 'M' then
    local others, found = {}, false
    for at = 11, #bytes, 29 do
      if string.sub(bytes, at, at + 15) == nonce then
        found = true
      else
        others[#others + 1] = string.sub(bytes, at, at + 28)
      end
    end
    if not found then
      -- Others' records are never touched, but none of them may store a value that is older than what we committed.
      if wish ~= 'R' then redis.call('SET', key, 'Md' .. string.sub(bytes, 3), 'KEEPTTL') end
      answer = '2'
    elseif #others > 0 then
      redis.call('SET', key, 'Md' .. string.sub(bytes, 3, 10) .. table.concat(others), 'KEEPTTL')
      answer = '3'
    elseif #wish > 1 and string.sub(bytes, 2, 2) == 'c' and string.sub(bytes, 3, 10) == string.sub(wish, 2, 9) then
      redis.call('SET', key, wish, 'PX', ttl)
      answer = '1'
    else
      redis.call('DEL', key)
      answer = '4'
    end
  elseif tag then
    -- What came since our marker was lost may be older than what we committed.
    if wish ~= 'R' then redis.call('DEL', key) end
    answer = '2'
  end
  answers[i] = answer
end
return table.concat(answers)
