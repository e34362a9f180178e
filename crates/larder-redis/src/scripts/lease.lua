-- Puts leases into cells that hold nothing of this fence and layout. ARGV: time to live in ms, then for each key its lease, and behind it
-- the stamp(16) of a value that is of no use any more, if any.
-- Answers 0 if refused, 1 if granted, 2 if granted over something that was no cell.
local answers = {}
for i, key in ipairs(KEYS) do
  local lease, outdated = string.sub(ARGV[i + 1], 1, 33), string.sub(ARGV[i + 1], 34)
  -- Nearly always there is nothing, and one command does it.
  if redis.call('SET', key, lease, 'NX', 'PX', ARGV[1]) then
    answers[i] = '1'
  else
    local head = head_of(key)
    local tag = tag_of(head)
    local is_there = (tag == 'V' or tag == 'L') and string.sub(head, 2, 17) == string.sub(lease, 2, 17)
    if tag == 'M' or (is_there and not (tag == 'V' and string.sub(head, 18, 33) == outdated)) then
      answers[i] = '0'
    else
      redis.call('SET', key, lease, 'PX', ARGV[1])
      answers[i] = tag == '?' and '2' or '1'
    end
  end
end
return table.concat(answers)
