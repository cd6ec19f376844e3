-- Puts other limits in force for an open scope, and records it.
local scope = scope_of(ask.scope)
if not scope then return answer({}) end
if scope.closed == '1' then return answer({closed = ask.scope}) end
if scope.window ~= ask.window then return answer({window = scope.window}) end
if scope.limits ~= ask.limits or scope.reserves ~= ask.reserves then
  changed()
  redis.call('RPUSH', key('amendments', ask.scope), cjson.encode({
    at = ask.at, kind = 'limits', reason = ask.reason, forgiven = words(NOTHING), window = scope.window,
    before = {limits = scope.limits, reserves = scope.reserves}, after = {limits = ask.limits, reserves = ask.reserves},
  }))
  scope.limits, scope.reserves = ask.limits, ask.reserves
  save(scope)
end
advance(scope, ask.at)
return answer({balance = told(scope)})
