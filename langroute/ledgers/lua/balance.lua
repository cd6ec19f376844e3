-- The books of a scope.
return answer({balance = scope_of(ask.scope)})
