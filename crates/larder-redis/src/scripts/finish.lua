-- Ends the write of a nonce. ARGV: nonce(16), fence(8), channel, where keys begin behind the namespace, then for each key a wish and a
-- time to live in ms. The wish is the whole cell of a value, or 'D' for a cell that is to be emptied, or 'R' after a roll-back.
-- Answers 0 if there is nothing, 1 if the value was stored, 2 if our marker was lost, 3 if others still write, 4 if emptied.
local nonce = ARGV[1]
local ours_alone = 'Mc' .. ARGV[2] .. nonce
local answers, told = {}, {}
for i, key in ipairs(KEYS) do
  local wish, ttl = ARGV[2 * i + 3], ARGV[2 * i + 4]
  local head = head_of(key)
  local answer = '0'
  if #head == 39 and string.sub(head, 1, 26) == ours_alone then
    -- Nobody else came near since we began, and the server has not forgotten anything since.
    if #wish > 1 then
      redis.call('SET', key, wish, 'PX', ttl)
      answer = '1'
    else
      redis.call('DEL', key)
      answer = '4'
    end
  elseif tag_of(head) == 'M' then
    local others, found = {}, false
    for at = 11, #head, 29 do
      if string.sub(head, at, at + 15) == nonce then
        found = true
      else
        others[#others + 1] = string.sub(head, at, at + 28)
      end
    end
    if not found then
      -- Others' records are never touched, but none of them may store a value that is older than what we committed.
      if wish ~= 'R' then redis.call('SET', key, 'Md' .. string.sub(head, 3), 'KEEPTTL') end
      answer = '2'
    elseif #others > 0 then
      redis.call('SET', key, 'Md' .. string.sub(head, 3, 10) .. table.concat(others), 'KEEPTTL')
      answer = '3'
    else
      redis.call('DEL', key)
      answer = '4'
    end
  elseif head ~= '' then
    -- What came since our marker was lost may be older than what we committed.
    if wish ~= 'R' then redis.call('DEL', key) end
    answer = '2'
  end
  -- While our marker was gone, somebody may have taken a copy of what is older, even of a cell that is empty again.
  if wish ~= 'R' and (answer == '0' or answer == '2') then told[#told + 1] = key end
  answers[i] = answer
end
if #told > 0 then publish(ARGV[3], 'D', told, tonumber(ARGV[4])) end
return table.concat(answers)
