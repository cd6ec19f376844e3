-- Replaces a hold by what was really used. The first settlement stands; that of a lease that was over is none.
local hold = hold_of(ask.id)
if not hold then return answer({}) end
if not hold.settled then
  book(hold, ask.amount, ask.worst_case, '0')
elseif hold.expired == '1' and hold.worst_case == '1' then
  local era = changed()
  rebook(hold, amount(hold.settled), amount(ask.amount))
  redis.call('HSET', key('hold', ask.id), 'settled', ask.amount, 'worst_case', ask.worst_case, 'settled_at', ask.at,
    'era', era)
end
return answer({entry = hold_of(ask.id)})
