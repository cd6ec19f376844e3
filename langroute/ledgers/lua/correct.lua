-- Puts the truth in place of a worst case, and keeps what stood there.
local hold = hold_of(ask.id)
if not hold then return answer({}) end
local corrections = hold.corrections or {}
if not hold.settled or (hold.worst_case ~= '1' and #corrections == 0) then return answer({refused = hold}) end

local before, truth = amount(hold.settled), amount(ask.amount)
if #corrections == 0 or words(before) ~= words(truth) then
  local function surplus(one, other)
    return each(function(a, b) return less(b, a) and minus(a, b) or ZERO end, one, other)
  end
  changed()
  rebook(hold, surplus(before, truth), surplus(truth, before))
  corrections[#corrections + 1] = {at = ask.at, before = hold.settled, reason = ask.reason}
  redis.call('HSET', key('hold', ask.id), 'settled', ask.amount, 'worst_case', '0',
    'corrections', cjson.encode(corrections))
end
return answer({entry = hold_of(ask.id)})
