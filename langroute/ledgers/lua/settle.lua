-- Replaces a hold by what was really used; the first settlement stands.
local hold = hold_of(ask.id)
if not hold then return answer({}) end
if not hold.settled then
  local held, settled = amount(hold.held), amount(ask.amount)
  changed()
  for _, name in ipairs(hold.scopes) do
    local scope = record(key('scope', name))
    use(scope, hold.purpose, function(used) return plus(minus(used, held[1]), settled[1]) end)
    redis.call('HSET', key('scope', name), 'used', scope.used,
      'held', words(each(minus, amount(scope.held), held)),
      'spent', words(each(plus, amount(scope.spent), settled)))
  end
  redis.call('HSET', key('hold', ask.id), 'settled', ask.amount, 'worst_case', ask.worst_case, 'settled_at', ask.at)
  hold = hold_of(ask.id)
end
return answer({entry = hold})
