-- What every operation begins with: this text stands before each of the other files here, and all is one script.
--
-- Redis runs a script alone and to its end, but takes nothing back when one fails halfway. So each script looks at
-- everything first, answers a refusal with nothing written, and then writes what can no longer fail. Its first write,
-- in `changed`, is one that Redis refuses when memory is full.
--
-- KEYS[1] is the hash of the books themselves; every other key begins like it, up to the closing brace of the hash tag,
-- so that all of them lie in one slot. ARGV[1] is the request and the answer is the reply, both JSON. Numbers and times
-- travel as text.
local ask = cjson.decode(ARGV[1])
local root = string.match(KEYS[1], '^(.*)books$')

local function key(kind, name) return root .. kind .. ':' .. name end

local function answer(reply)
  local books = redis.call('HMGET', KEYS[1], 'born', 'changes')
  reply.born, reply.changes = books[1], books[2]
  return cjson.encode(reply)
end

-- Integers beyond 2^53 are no numbers of Lua, so an integer is a pair: billions, and the rest from 0 up to a billion.
local BILLION = 1000000000
local ZERO = {0, 0}

local function integer(text)
  if #text < 16 then
    local number = tonumber(text)
    local billions = math.floor(number / BILLION)
    return {billions, number - billions * BILLION}
  end
  local sign, digits = string.match(text, '^(-?)(%d+)$')
  local billions, rest = tonumber(string.sub(digits, 1, -10)), tonumber(string.sub(digits, -9))
  if sign == '' then return {billions, rest} end
  if rest == 0 then return {-billions, 0} end
  return {-billions - 1, BILLION - rest}
end

local function text(number)
  local billions, rest, sign = number[1], number[2], ''
  if billions < 0 then
    sign = '-'
    if rest == 0 then billions = -billions else billions, rest = -billions - 1, BILLION - rest end
  end
  if billions == 0 then return sign .. string.format('%.0f', rest) end
  return sign .. string.format('%.0f%09.0f', billions, rest)
end

local function plus(a, b)
  local billions, rest = a[1] + b[1], a[2] + b[2]
  if rest >= BILLION then billions, rest = billions + 1, rest - BILLION end
  return {billions, rest}
end

local function minus(a, b)
  local billions, rest = a[1] - b[1], a[2] - b[2]
  if rest < 0 then billions, rest = billions - 1, rest + BILLION end
  return {billions, rest}
end

local function less(a, b) return a[1] < b[1] or (a[1] == b[1] and a[2] < b[2]) end

-- An amount is four integers in one text: nano-dollars, input tokens, output tokens, retries. In limits, '-' is none.
local function amount(words)
  local numbers = {}
  for word in string.gmatch(words, '%S+') do
    numbers[#numbers + 1] = word ~= '-' and integer(word)
  end
  return numbers
end

local function words(numbers)
  return text(numbers[1]) .. ' ' .. text(numbers[2]) .. ' ' .. text(numbers[3]) .. ' ' .. text(numbers[4])
end

local function each(combine, a, b)
  return {combine(a[1], b[1]), combine(a[2], b[2]), combine(a[3], b[3]), combine(a[4], b[4])}
end

local NOTHING = {ZERO, ZERO, ZERO, ZERO}

-- Nano-dollars by purpose, in one text: 'general=12 verification=5'.
local function purposes(words)
  local numbers = {}
  for name, number in string.gmatch(words, '(%S+)=(%S+)') do numbers[name] = integer(number) end
  return numbers
end

local function purposes_text(numbers)
  local parts = {}
  for name, number in pairs(numbers) do parts[#parts + 1] = name .. '=' .. text(number) end
  return table.concat(parts, ' ')
end

local function move(numbers, name, change, number) numbers[name] = change(numbers[name] or ZERO, number) end

local function record(at)
  local fields = redis.call('HGETALL', at)
  if #fields == 0 then return nil end
  local found = {}
  for position = 1, #fields, 2 do found[fields[position]] = fields[position + 1] end
  return found
end

-- A scope: what is kept of it, its amounts as integers. `window` is '' where its limits hold for ever. `spent_for` and
-- `held_for` are by purpose. `era` is the change that reset it last: what was settled before is forgiven.
local AMOUNTS, BY_PURPOSE = {'spent', 'held', 'past'}, {'spent_for', 'held_for'}
local FIELDS = {'at', 'limits', 'reserves', 'window', 'calls', 'closed', 'newest', 'era'}

local function scope_of(name)
  local scope = record(key('scope', name))
  if not scope then return nil end
  scope.scope = name
  for _, field in ipairs(AMOUNTS) do scope[field] = amount(scope[field]) end
  for _, field in ipairs(BY_PURPOSE) do scope[field] = purposes(scope[field]) end
  return scope
end

local function new_scope(name, limits, at)
  return {
    scope = name, at = at, limits = limits.limits, reserves = limits.reserves, window = limits.window, calls = '0',
    closed = '0', newest = '0', era = '0', spent = NOTHING, held = NOTHING, past = NOTHING, spent_for = {}, held_for = {},
  }
end

local function told(scope)
  local shown = {scope = scope.scope}
  for _, field in ipairs(FIELDS) do shown[field] = scope[field] end
  for _, field in ipairs(AMOUNTS) do shown[field] = words(scope[field]) end
  for _, field in ipairs(BY_PURPOSE) do shown[field] = purposes_text(scope[field]) end
  return shown
end

local function save(scope)
  local name, fields = scope.scope, {}
  if not scope.number then
    scope.number = redis.call('RPUSH', key('order', 'scopes'), name)
    redis.call('ZADD', key('order', 'names'), 0, name)
    fields = {'number', scope.number}
  end
  for field, value in pairs(told(scope)) do
    if field ~= 'scope' then fields[#fields + 1], fields[#fields + 2] = field, value end
  end
  redis.call('HSET', key('scope', name), unpack(fields))
  for bucket, numbers in pairs(scope.dirty or {}) do
    if numbers then redis.call('HSET', key('window', name), bucket, words(numbers)) end
    if not numbers then redis.call('HDEL', key('window', name), bucket) end
  end
end

-- The number of the bucket that a time belongs to, in the very arithmetic that Python has for `at // (window / 60)`.
local BUCKETS = 60

local function bucket_of(at, window)
  local length, time = tonumber(window) / BUCKETS, tonumber(at)
  local whole = (time - math.fmod(time, length)) / length
  local bucket = math.floor(whole)
  if whole - bucket > 0.5 then bucket = bucket + 1 end
  return bucket
end

local function buckets_of(scope)
  if not scope.buckets then
    scope.buckets, scope.dirty = record(key('window', scope.scope)) or {}, {}
    for bucket, numbers in pairs(scope.buckets) do scope.buckets[bucket] = amount(numbers) end
  end
  return scope.buckets
end

-- Forgets what has left a scope's window by now. The newest time seen never goes back.
local function advance(scope, at)
  if scope.window == '' or not at then return end
  local now = bucket_of(at, scope.window)
  if now <= tonumber(scope.newest) then return end
  scope.newest = string.format('%.0f', now)
  local buckets, gone = buckets_of(scope), {}
  for bucket in pairs(buckets) do
    if tonumber(bucket) < now - BUCKETS then gone[#gone + 1] = bucket end
  end
  for _, bucket in ipairs(gone) do
    scope.spent = each(minus, scope.spent, buckets[bucket])
    scope.past = each(plus, scope.past, buckets[bucket])
    buckets[bucket], scope.dirty[bucket] = nil, false
  end
end

local function add(scope, bucket, change, numbers)
  local buckets = buckets_of(scope)
  buckets[bucket] = each(change, buckets[bucket] or NOTHING, numbers)
  scope.dirty[bucket] = buckets[bucket]
end

local function hold_of(id)
  local hold = record(key('hold', id))
  if hold then
    hold.id, hold.scopes = id, cjson.decode(hold.scopes)
    if hold.corrections then hold.corrections = cjson.decode(hold.corrections) end
  end
  return hold
end

-- Counts a change of the books, before anything else is written; `era` in lines and scopes is this count.
local function changed()
  local changes = redis.call('HINCRBY', KEYS[1], 'changes', 1)
  if changes == 1 then redis.call('HSET', KEYS[1], 'born', ask.fresh, 'format', '1') end
  return string.format('%.0f', changes)
end

-- Books that are older than what this client has seen have lost what was booked since.
local books = redis.call('HMGET', KEYS[1], 'born', 'changes', 'format')
if books[3] and books[3] ~= '1' then return cjson.encode({format = books[3]}) end
if ask.born and (books[1] ~= ask.born or tonumber(books[2]) < ask.seen) then
  return cjson.encode({lost = tonumber(books[2] or '0'), anew = books[1] ~= ask.born})
end
