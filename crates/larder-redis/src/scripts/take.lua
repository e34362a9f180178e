-- Takes from buckets, from all of them or from none, by the server's clock.
-- KEYS: the buckets. ARGV, for each: what drains in a microsecond, how much fits in, and what is to be taken; all in the bucket's units.
-- A bucket holds what has been taken and has not drained, and at which microsecond: '<debt> <at>'. One that is not there has no debt.
-- Answers '1' if it was taken and '0' if not; then the debt of each, as it is now.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local before, after, rates, is_taken = {}, {}, {}, '1'
for i, key in ipairs(KEYS) do
  local rate, fits, wanted = tonumber(ARGV[3 * i - 2]), tonumber(ARGV[3 * i - 1]), tonumber(ARGV[3 * i])
  if not before[key] then
    local debt, at = string.match(redis.call('GET', key) or '', '^(%d+) (%d+)$')
    -- A clock that was set back drains nothing.
    before[key] = debt and math.max(0, debt - math.max(0, now - at) * rate) or 0
    after[key], rates[key] = before[key], rate
  end
  after[key] = after[key] + wanted
  if wanted > 0 and after[key] > fits then is_taken = '0' end
end
if is_taken == '1' then
  for key, debt in pairs(after) do
    if debt > before[key] then
      -- When it is full again it is as if it had never been; keys expire by a clock that may be some microseconds behind.
      local left = math.ceil(debt / rates[key] / 1000) + 1
      redis.call('SET', key, string.format('%.0f %.0f', debt, now), 'PX', string.format('%.0f', left))
    end
  end
  before = after
end
local answers = { is_taken }
for i, key in ipairs(KEYS) do answers[i + 1] = string.format('%.0f', before[key]) end
return table.concat(answers, ' ')
