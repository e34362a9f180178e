-- Gives values more time to live. ARGV: for each key the first 33 bytes of the value, which tell it from every other, and its time in ms.
-- Answers 1 if that value is there, 0 if not.
local answers = {}
for i, key in ipairs(KEYS) do
  if string.sub(head_of(key), 1, 33) == ARGV[2 * i - 1] then
    redis.call('PEXPIRE', key, ARGV[2 * i])
    answers[i] = '1'
  else
    answers[i] = '0'
  end
end
return table.concat(answers)
