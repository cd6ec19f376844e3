-- Opens a scope, or answers with its books as they are.
local scope = scope_of(ask.scope)
if not scope then
  changed()
  scope = new_scope(ask.scope, ask, ask.at)
  save(scope)
end
advance(scope, ask.at)
return answer({balance = told(scope)})
