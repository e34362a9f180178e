-- Puts values into cells whose lease is still in place. ARGV: for each key the whole cell of the value and its time to live in ms.
-- Answers 1 if the value is served, 0 if not.
local answers = {}
for i, key in ipairs(KEYS) do
  local value = ARGV[2 * i - 1]
  -- A value is stamped with the token that it was filled under, so both have the same 32 bytes after the tag.
  if head_of(key) == 'L' .. string.sub(value, 2, 33) then
    redis.call('SET', key, value, 'PX', ARGV[2 * i])
    answers[i] = '1'
  else
    answers[i] = '0'
  end
end
return table.concat(answers)
