-- Opens a scope, or answers with its books as they are.
local scope = scope_of(ask.scope)
if not scope then
  changed()
  local number = redis.call('RPUSH', key('order', 'scopes'), ask.scope)
  redis.call('ZADD', key('order', 'names'), 0, ask.scope)
  redis.call('HSET', key('scope', ask.scope), 'number', number, 'at', ask.at, 'limits', ask.limits,
    'reserves', ask.reserves, 'spent', '0 0 0 0', 'held', '0 0 0 0', 'used', '', 'calls', '0', 'closed', '0')
  scope = scope_of(ask.scope)
end
return answer({balance = scope})
