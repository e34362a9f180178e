-- Puts a value without bytes into cells that hold nothing of this fence. ARGV: that value; its time to live in ms.
-- Answers 0 if a lease or a marker is there, 1 if it was put, 2 if a value is there; behind all digits the stamps of those values.
local value = ARGV[1]
local answers, stamps = {}, {}
for i, key in ipairs(KEYS) do
  if redis.call('SET', key, value, 'NX', 'PX', ARGV[2]) then
    answers[i] = '1'
  else
    local head = head_of(key)
    local tag = tag_of(head)
    if tag == 'M' or (tag == 'L' and string.sub(head, 2, 9) == string.sub(value, 2, 9)) then
      answers[i] = '0'
    elseif tag == 'V' and string.sub(head, 2, 9) == string.sub(value, 2, 9) then
      answers[i] = '2'
      stamps[#stamps + 1] = string.sub(head, 18, 33)
    else
      redis.call('SET', key, value, 'PX', ARGV[2])
      answers[i] = '1'
    end
  end
end
return table.concat(answers) .. table.concat(stamps)
