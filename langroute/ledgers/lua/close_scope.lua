-- Takes no more holds from a scope.
local scope = scope_of(ask.scope)
if not scope then return answer({}) end
if scope.closed == '0' then
  changed()
  scope.closed = '1'
  save(scope)
end
return answer({balance = told(scope)})
