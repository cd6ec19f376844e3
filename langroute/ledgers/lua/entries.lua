-- Some of the holds taken from a scope, oldest first: those from number `start` on, counted from 0.
if redis.call('EXISTS', key('scope', ask.scope)) == 0 then return answer({unknown = ask.scope}) end
local entries = {}
for position, id in ipairs(redis.call('LRANGE', key('lines', ask.scope), ask.start, ask.start + ask.most - 1)) do
  entries[position] = hold_of(id)
end
return answer({entries = entries, more = #entries == ask.most})
