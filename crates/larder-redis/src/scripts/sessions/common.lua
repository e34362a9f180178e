-- What the scripts of sessions share. A session is a hash: v is its version, x the millisecond at which its life is over at the latest, d its
-- data; and of a user u, '=' and its name, k, the digest of that, and g, the generation that the user was in. Whatever is in doubt is no session.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

-- The session under a key, if it is good: before its end, and of its user's generation. One that is not never will be again.
-- Only the session knows whose it is; the user's key has its hash tag, and so its slot.
local function good(key, users)
  local held = redis.call('HMGET', key, 'v', 'x', 'u', 'k', 'g', 'd')
  local session = { v = held[1], x = tonumber(held[2] or 0), u = held[3] or '', k = held[4], g = held[5], d = held[6] or '' }
  if not session.v then return nil end
  if now < session.x and (not session.k or redis.call('GET', users .. session.k) == session.g) then return session end
  redis.call('UNLINK', key)
  return nil
end

-- It has been used: it lies there for its idle time from now on, and never longer than its life.
local function used(key, session, idle)
  redis.call('PEXPIREAT', key, string.format('%.0f', math.min(session.x, now + idle)))
end

-- The generation of a user, who may have none. It outlives all sessions that are in it.
local function generation(key, fresh, life)
  local held = redis.call('GET', key)
  if not held then
    redis.call('SET', key, fresh, 'PX', life + 1000)
    return fresh
  end
  if redis.call('PTTL', key) < life + 1000 then redis.call('PEXPIRE', key, life + 1000) end
  return held
end

-- What is known of a session: its version, the milliseconds that its life still has, whose it is, and its data.
local function known(session)
  return { tostring(session.v), string.format('%.0f', session.x - now), session.u, session.d }
end
