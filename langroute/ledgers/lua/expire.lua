-- Settles some of the holds whose lease is over at all that they hold; `more` says that others are left.
if ask.scope and redis.call('EXISTS', key('scope', ask.scope)) == 0 then return answer({unknown = ask.scope}) end

local function takes_from(hold)
  for _, name in ipairs(hold.scopes) do
    if name == ask.scope then return true end
  end
  return not ask.scope
end

local entries = {}
for _, id in ipairs(redis.call('ZRANGEBYSCORE', key('order', 'leases'), '-inf', ask.at)) do
  local hold = hold_of(id)
  if takes_from(hold) then
    if #entries == ask.most then return answer({entries = entries, more = true}) end
    book(hold, hold.held, '1', '1')
    entries[#entries + 1] = hold_of(id)
  end
end
return answer({entries = entries, more = false})
