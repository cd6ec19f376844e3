-- Takes no more holds from a scope.
local scope = scope_of(ask.scope)
if scope and scope.closed == '0' then
  changed()
  redis.call('HSET', key('scope', ask.scope), 'closed', '1')
  scope.closed = '1'
end
return answer({balance = scope})
