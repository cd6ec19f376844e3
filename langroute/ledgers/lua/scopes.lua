-- Some of the scopes whose names begin with a prefix, newest first: at most `most`, opened before number `before`.
local names, order = key('order', 'names'), key('order', 'scopes')
local from, to = '[' .. ask.prefix, '(' .. ask.prefix .. '\255' -- no byte of UTF-8 is as high
local found = {}
if redis.call('ZLEXCOUNT', names, from, to) <= 500 then -- few: look at each of them
  local numbers = {}
  for _, name in ipairs(redis.call('ZRANGEBYLEX', names, from, to)) do
    local number = tonumber(redis.call('HGET', key('scope', name), 'number'))
    if not ask.before or number < ask.before then
      found[#found + 1], numbers[name] = name, number
    end
  end
  table.sort(found, function(a, b) return numbers[a] > numbers[b] end)
else -- many: some of them were opened not long ago, so look back in time
  local stop = (ask.before or redis.call('LLEN', order) + 1) - 2
  while #found < ask.most and stop >= 0 do
    local some = redis.call('LRANGE', order, math.max(0, stop - 99), stop)
    for position = #some, 1, -1 do
      if string.sub(some[position], 1, #ask.prefix) == ask.prefix then found[#found + 1] = some[position] end
    end
    stop = stop - 100
  end
end
local balances, last = {}, nil
for position = 1, math.min(ask.most, #found) do
  local scope = scope_of(found[position])
  balances[position], last = told(scope), tonumber(scope.number)
end
return answer({balances = balances, last = last})
