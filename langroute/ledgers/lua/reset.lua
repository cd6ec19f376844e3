-- Forgives all that an open scope has spent, and records it. Asked again under the same nonce it is not done again.
local scope = scope_of(ask.scope)
if not scope then return answer({}) end
if scope.closed == '1' then return answer({closed = ask.scope}) end
local newest = scope.newest
advance(scope, ask.at)
if words(scope.spent) ~= words(NOTHING) and scope.reset_by ~= ask.fresh then
  local limits = {limits = scope.limits, reserves = scope.reserves}
  scope.era = changed()
  redis.call('RPUSH', key('amendments', ask.scope), cjson.encode({
    at = ask.at, kind = 'reset', reason = ask.reason, forgiven = words(scope.spent), window = scope.window,
    before = limits, after = limits,
  }))
  scope.past, scope.spent, scope.spent_for = each(plus, scope.past, scope.spent), NOTHING, {}
  redis.call('DEL', key('window', ask.scope))
  scope.dirty = nil
  save(scope)
  redis.call('HSET', key('scope', ask.scope), 'reset_by', ask.fresh)
elseif scope.newest ~= newest then
  changed()
  save(scope)
end
return answer({balance = told(scope)})
