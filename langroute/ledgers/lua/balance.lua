-- The books of a scope as they are at a time; a look changes nothing.
local scope = scope_of(ask.scope)
if not scope then return answer({}) end
advance(scope, ask.at)
return answer({balance = told(scope)})
