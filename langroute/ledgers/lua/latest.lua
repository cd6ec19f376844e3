-- The scope opened last among those whose name begins with a prefix.
local names, order = key('order', 'names'), key('order', 'scopes')
local from, to = '[' .. ask.prefix, '(' .. ask.prefix .. '\255' -- no byte of UTF-8 is as high
local count = redis.call('ZLEXCOUNT', names, from, to)
local latest, newest = nil, 0
if count <= 500 then -- few: look at each of them
  for _, name in ipairs(redis.call('ZRANGEBYLEX', names, from, to)) do
    local number = tonumber(redis.call('HGET', key('scope', name), 'number'))
    if number > newest then latest, newest = name, number end
  end
else -- many: one of them was opened not long ago, so look back in time
  local stop = redis.call('LLEN', order) - 1
  while not latest and stop >= 0 do
    local some = redis.call('LRANGE', order, math.max(0, stop - 99), stop)
    for position = #some, 1, -1 do
      if not latest and string.sub(some[position], 1, #ask.prefix) == ask.prefix then latest = some[position] end
    end
    stop = stop - 100
  end
end
return answer({balance = latest and scope_of(latest) or nil})
