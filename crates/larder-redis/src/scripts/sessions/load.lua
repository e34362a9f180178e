-- Reads a session, and takes down that it was used. KEYS: the session. ARGV: what users' keys begin with, the idle time in ms.
-- Answers with what is known of it, or nil.
local session = good(KEYS[1], ARGV[1])
if not session then return nil end
used(KEYS[1], session, ARGV[2])
return known(session)
