-- A cell is one string under one key:
--   V fence(8) layout(8) stamp(16) payload              a value
--   L fence(8) layout(8) token(16)                      a lease
--   M c|d fence(8) { nonce(16) deadline in ms(13) }*    a marker, clean or dirty, with a record for each write in doubt
-- Every script below treats each of its KEYS by itself and answers with one digit a key.

-- What lies under a key: '' for nothing, '?' for another type than a string. It is cut after what the largest marker needs,
-- and no rule looks further; a value may be a megabyte.
local function head_of(key)
  local head = redis.pcall('GETRANGE', key, 0, 1023)
  if type(head) == 'string' then return head end
  if not string.find(head.err, 'WRONGTYPE', 1, true) then redis.call('GETRANGE', key, 0, 0) end
  return '?'
end

-- The tag of a cell: nil for nothing, '?' for what is no cell.
local function tag_of(head)
  if head == '' then return nil end
  local tag, size = string.sub(head, 1, 1), #head
  if (tag == 'V' and size >= 33) or (tag == 'L' and size == 33) or (tag == 'M' and size > 10 and size % 29 == 10) then
    return tag
  end
  return '?'
end
