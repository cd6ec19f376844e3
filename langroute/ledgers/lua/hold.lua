-- Sets an amount aside in all scopes or in none; an id that was taken before changes nothing.
local taken = hold_of(ask.id)
if taken then return answer({balance = scope_of(taken.scopes[1])}) end

local asked = amount(ask.amount)

-- What is left of a limit once the other purposes' remaining reserves are kept back.
local function room(scope, position, limit)
  local left = minus(minus(limit, amount(scope.spent)[position]), amount(scope.held)[position])
  if position > 1 then return left end
  local _, used = purposes(scope.used)
  local names, kept = purposes(scope.reserves)
  for _, name in ipairs(names) do
    local rest = minus(kept[name], used[name] or ZERO)
    if name ~= ask.purpose and less(ZERO, rest) then left = minus(left, rest) end
  end
  return left
end

-- Nothing of a resource always fits, also where more than its limit was spent.
local function fits(scope)
  if scope.closed == '1' then return false end
  for position, limit in ipairs(amount(scope.limits)) do
    if limit and less(ZERO, asked[position]) and less(room(scope, position, limit), asked[position]) then
      return false
    end
  end
  return true
end

local scopes, all = {}, true
for position, name in ipairs(ask.scopes) do
  scopes[position] = scope_of(name)
  if not scopes[position] then return answer({unknown = name}) end
  all = fits(scopes[position]) and all
end
if not all then return answer({refused = scopes}) end

changed()
for position, name in ipairs(ask.scopes) do
  local scope = scopes[position]
  use(scope, ask.purpose, function(used) return plus(used, asked[1]) end)
  redis.call('HSET', key('scope', name), 'held', words(each(plus, amount(scope.held), asked)), 'used', scope.used)
  redis.call('HINCRBY', key('scope', name), 'calls', 1)
  redis.call('RPUSH', key('lines', name), ask.id)
end
redis.call('HSET', key('hold', ask.id), 'scopes', cjson.encode(ask.scopes), 'purpose', ask.purpose, 'arm', ask.arm,
  'held', ask.amount, 'at', ask.at)
return answer({balance = scope_of(ask.scopes[1])})
