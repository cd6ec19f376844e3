-- Sets an amount aside in all scopes or in none; an id that was taken before changes nothing.
local taken = hold_of(ask.id)
if taken then return answer({balance = told(scope_of(taken.scopes[1]))}) end

local asked = amount(ask.amount)

-- What is left of a limit once the other purposes' remaining reserves are kept back.
local function room(scope, position, limit)
  local left = minus(minus(limit, scope.spent[position]), scope.held[position])
  if position > 1 then return left end
  for name, kept in pairs(purposes(scope.reserves)) do
    local rest = minus(minus(kept, scope.spent_for[name] or ZERO), scope.held_for[name] or ZERO)
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

local scopes, shown, all = {}, {}, true
for position, name in ipairs(ask.scopes) do
  local scope = scope_of(name)
  if not scope and ask.opens and ask.opens[name] then scope = new_scope(name, ask.opens[name], ask.at) end
  if not scope then return answer({unknown = name}) end
  advance(scope, ask.at)
  scopes[position], all = scope, fits(scope) and all
end
if not all then
  for position, scope in ipairs(scopes) do shown[position] = told(scope) end
  return answer({refused = shown})
end

local number = changed()
for _, scope in ipairs(scopes) do
  scope.held = each(plus, scope.held, asked)
  if scope.window == '' then move(scope.held_for, ask.purpose, plus, asked[1]) end
  scope.calls = string.format('%.0f', scope.calls + 1)
  save(scope)
  redis.call('RPUSH', key('lines', scope.scope), ask.id)
end
redis.call('HSET', key('hold', ask.id), 'number', number, 'scopes', cjson.encode(ask.scopes), 'purpose', ask.purpose,
  'arm', ask.arm, 'held', ask.amount, 'at', ask.at)
if ask.expires then
  redis.call('HSET', key('hold', ask.id), 'expires', ask.expires)
  redis.call('ZADD', key('order', 'leases'), ask.expires, ask.id)
end
return answer({balance = told(scopes[1])})
