-- What settles a hold and puts a settlement right; stands before the operations that do.

-- Replaces an open hold by what was used.
local function book(hold, settled, worst_case, expired)
  local era, held, numbers = changed(), amount(hold.held), amount(settled)
  for _, name in ipairs(hold.scopes) do
    local scope = scope_of(name)
    scope.held, scope.spent = each(minus, scope.held, held), each(plus, scope.spent, numbers)
    if scope.window == '' then
      move(scope.held_for, hold.purpose, minus, held[1])
      move(scope.spent_for, hold.purpose, plus, numbers[1])
    else
      advance(scope, ask.at)
      add(scope, scope.newest, plus, numbers)
    end
    save(scope)
  end
  if hold.expires then redis.call('ZREM', key('order', 'leases'), hold.id) end
  redis.call('HSET', key('hold', hold.id), 'settled', settled, 'worst_case', worst_case, 'settled_at', ask.at,
    'expired', expired, 'era', era)
end

-- Takes back from where a line was booked, as far as that still counts, and books more now.
local function rebook(hold, back, more)
  for _, name in ipairs(hold.scopes) do
    local scope = scope_of(name)
    advance(scope, ask.at)
    local counts = tonumber(hold.era) > tonumber(scope.era)
    if scope.window == '' then
      move(scope.spent_for, hold.purpose, plus, more[1])
      if counts then move(scope.spent_for, hold.purpose, minus, back[1]) end
    else
      local bucket = bucket_of(hold.settled_at, scope.window)
      counts = counts and bucket >= tonumber(scope.newest) - BUCKETS
      if counts then add(scope, string.format('%.0f', bucket), minus, back) end
      add(scope, scope.newest, plus, more)
    end
    scope.spent = each(plus, scope.spent, more)
    local place = counts and 'spent' or 'past'
    scope[place] = each(minus, scope[place], back)
    save(scope)
  end
end
