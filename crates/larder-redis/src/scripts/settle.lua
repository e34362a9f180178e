-- Makes sure that no older value is served. ARGV: the nonce(16) of a write, or '' for one that took no markers; channel; where keys
-- begin behind the namespace.
-- Answers 0 if there is nothing, 1 if that very write has the cell in its hands, 2 if others do, 3 if the cell was emptied.
local nonce = ARGV[1]
local answers, told = {}, {}
for i, key in ipairs(KEYS) do
  local head = head_of(key)
  local tag = tag_of(head)
  local answer = '0'
  if tag == 'M' then
    answer = '2'
    for at = 11, #head, 29 do
      if string.sub(head, at, at + 15) == nonce then answer = '1' end
    end
    if answer == '2' then redis.call('SET', key, 'Md' .. string.sub(head, 3), 'KEEPTTL') end
  elseif tag == 'V' and nonce ~= '' and string.sub(head, 18, 33) == nonce then
    answer = '1'
  elseif tag then
    redis.call('DEL', key)
    answer = '3'
  end
  -- A copy may have outlived the value that it is of; what is behind a marker was announced with that.
  if answer == '0' or answer == '3' then told[#told + 1] = key end
  answers[i] = answer
end
if #told > 0 then publish(ARGV[2], 'D', told, tonumber(ARGV[3])) end
return table.concat(answers)
