-- A cell is one string under one key:
--   V fence(8) layout(8) stamp(16) payload              a value
--   L fence(8) layout(8) token(16)                      a lease
--   M c|d fence(8) { nonce(16) deadline in ms(13) }*    a marker, clean or dirty, with a record for each write in doubt
-- Every script below treats each of its KEYS by itself and answers with one digit a key.

-- The tag and the bytes of a cell: nil if there is none, '?' if what lies there is no cell.
local function cell(key)
  -- The head is all that any rule looks at, and the largest marker fits into it; a value may be a megabyte.
  local head = redis.pcall('GETRANGE', key, 0, 1023)
  if type(head) == 'table' then
    if not string.find(head.err, 'WRONGTYPE', 1, true) then redis.call('GETRANGE', key, 0, 0) end
    return '?', ''
  end
  if head == '' then return nil end
  local tag, size = string.sub(head, 1, 1), #head
  if (tag == 'V' and size >= 33) or (tag == 'L' and size == 33) or (tag == 'M' and size > 10 and size % 29 == 10) then
    return tag, head
  end
  return '?', head
end
