-- What every operation begins with: this text stands before each of the other files here, and both are one script.
--
-- Redis runs a script alone and to its end, but takes nothing back when one fails halfway. So each script looks at
-- everything first, answers a refusal with nothing written, and then writes what can no longer fail. Its first write is
-- one that Redis refuses when memory is full.
--
-- KEYS[1] is the hash of the books themselves; every other key begins like it, up to the hash tag's brace, so that all
-- of them lie in one slot. ARGV[1] is the request and the answer is the reply, both JSON. Numbers travel as text.
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

local function integer(text)
  local sign, digits = string.match(text or '0', '^(-?)(%d+)$')
  local billions, rest = 0, tonumber(string.sub(digits, -9))
  if #digits > 9 then billions = tonumber(string.sub(digits, 1, -10)) end
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

local ZERO = {0, 0}

-- An amount is four integers in one text: nano-dollars, input tokens, output tokens, retries. In limits, '-' is none.
local function amount(words)
  local numbers = {}
  for word in string.gmatch(words, '%S+') do
    numbers[#numbers + 1] = word ~= '-' and integer(word)
  end
  return numbers
end

local function words(numbers)
  local parts = {}
  for position, number in ipairs(numbers) do parts[position] = text(number) end
  return table.concat(parts, ' ')
end

local function each(combine, a, b)
  local numbers = {}
  for position = 1, 4 do numbers[position] = combine(a[position], b[position]) end
  return numbers
end

-- Nano-dollars by purpose, in one text: 'general=12 verification=5'. The order stays.
local function purposes(words)
  local names, numbers = {}, {}
  for name, number in string.gmatch(words, '(%S+)=(%S+)') do
    names[#names + 1], numbers[name] = name, integer(number)
  end
  return names, numbers
end

local function use(scope, purpose, change)
  local names, numbers = purposes(scope.used)
  if not numbers[purpose] then names[#names + 1] = purpose end
  numbers[purpose] = change(numbers[purpose] or ZERO)
  local parts = {}
  for position, name in ipairs(names) do parts[position] = name .. '=' .. text(numbers[name]) end
  scope.used = table.concat(parts, ' ')
end

local function record(at)
  local fields = redis.call('HGETALL', at)
  if #fields == 0 then return nil end
  local found = {}
  for position = 1, #fields, 2 do found[fields[position]] = fields[position + 1] end
  return found
end

local function scope_of(name)
  local found = record(key('scope', name))
  if found then found.scope = name end
  return found
end

local function hold_of(id)
  local found = record(key('hold', id))
  if found then found.id, found.scopes = id, cjson.decode(found.scopes) end
  return found
end

local function changed()
  if redis.call('HINCRBY', KEYS[1], 'changes', 1) == 1 then
    redis.call('HSET', KEYS[1], 'born', ask.fresh, 'format', '1')
  end
end

-- Books that are older than what this client has seen have lost what was booked since.
local books = redis.call('HMGET', KEYS[1], 'born', 'changes', 'format')
if books[3] and books[3] ~= '1' then return cjson.encode({format = books[3]}) end
if ask.born and (books[1] ~= ask.born or tonumber(books[2]) < ask.seen) then
  return cjson.encode({lost = books[1] and tonumber(books[2]) or 0})
end
