-- Puts other limits in force for an open scope.
local scope = scope_of(ask.scope)
if not scope then return answer({}) end
if scope.closed == '1' then return answer({closed = ask.scope}) end
changed()
redis.call('HSET', key('scope', ask.scope), 'limits', ask.limits, 'reserves', ask.reserves)
return answer({balance = scope_of(ask.scope)})
