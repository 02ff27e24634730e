import { SLICES } from './limit-check.ts'

/** Modes of a group: EACH and TOGETHER of Counting, and the return of what TOGETHER took. */
export const REFUND = 2

/** A fixed window whose key names it: the counters of envoyproxy/ratelimit. */
export const NAMED_WINDOW = 3

/** Mode of a group that is looked at: answered as if it came now, and not charged. */
export const LOOK = 9

/** Numbers per check in the answer, which begins with the time in microseconds (two numbers). */
export const ANSWER_LENGTH = 4
export const ANSWER_HEAD = 2

/** `fit` of a check whose key holds something that is no counter. */
export const NO_COUNTER = -1

/**
 * Many checks of many requests in one step, on Redis' own clock: gateways with other clocks cannot
 * disagree. Equal requests form a group that is granted in part: the first that fit, as if they had
 * come one after another. The arithmetic is that of the counters in memory.
 *
 * KEYS: counters, in the order of the checks. ARGV of each group: mode (0 each for itself,
 * 1 all or none, 2 refund, 9 look), number of checks, number of requests, then of each check: algorithm
 * (0 fixed window, 1 sliding window, 2 GCRA, 3 fixed window named by the key, 4 gate), limit, period in
 * microseconds, burst, cost of one request, 1 when it enforces. A refund has for "enforces" the
 * number of requests to return, and for "burst" the time of the charge.
 *
 * Returns seconds and microseconds of the time, then of each check: how many of the requests fit,
 * units left behind all of them (negative: counted beyond the limit), milliseconds until one more
 * would fit, milliseconds until the quota is whole.
 */
export const BATCH_SCRIPT = `
local call, tonumber, KEYS, ARGV = redis.call, tonumber, KEYS, ARGV
local floor, ceil, min, max, format = math.floor, math.ceil, math.min, math.max, string.format
local time = call('TIME')
local now = time[1] * 1000000 + time[2]
local slices = ${SLICES}

local function whole(number) return format('%.0f', number) end
local nowText = whole(now)

local function fits(c, used)
  local room = c.limit - used
  if c.cost == 0 then return room < 0 and 0 or c.n end
  return max(0, min(c.n, floor(room / c.cost)))
end

local fixed = {}
-- Keys expire by a clock of whole milliseconds that stands still while a script runs: just behind
-- the edge of a window the counter of the one before may still be there.
function fixed.enter(c)
  if now % c.period >= 3000 then return end
  local left = call('PTTL', c.key)
  if left >= 0 and left <= 3 then call('DEL', c.key) end
end
function fixed.look(c)
  if c.with.enter then c.with.enter(c) end
  c.used = tonumber(call('GET', c.key) or '0')
  if not c.used then error('WRONGTYPE') end
  c.fit = fits(c, c.used)
end
function fixed.charge(c, times)
  local units = times * c.cost
  c.used = call('INCRBY', c.key, whole(units))
  if c.used == units then
    call('PEXPIREAT', c.key, whole(ceil((now + c.period - now % c.period) / 1000)))
  end
end
function fixed.each(c)
  fixed.enter(c)
  fixed.charge(c, c.n)
  c.fit = fits(c, c.used - c.n * c.cost)
end
function fixed.answer(c)
  local left = c.period - now % c.period
  return c.limit - c.used, left, left
end
function fixed.refund(c, times, at)
  if floor(at / c.period) ~= floor(now / c.period) then return end
  if call('EXISTS', c.key) == 1 then call('DECRBY', c.key, whole(times * c.cost)) end
end

local named = { look = fixed.look, each = fixed.each, answer = fixed.answer, refund = fixed.refund }
function named.charge(c, times)
  c.used = call('INCRBY', c.key, whole(times * c.cost))
  if c.used == times * c.cost then
    call('EXPIRE', c.key, whole(ceil(c.period / 1000000)))
  end
end
function named.each(c)
  named.charge(c, c.n)
  c.fit = fits(c, c.used - c.n * c.cost)
end

local sliding = {}
function sliding.look(c)
  c.slice = c.period / slices
  c.used = 0
  c.ids = {}
  c.counts = {}
  c.gone = {}
  local fields = call('HGETALL', c.key)
  for j = 1, #fields, 2 do
    local id = tonumber(fields[j])
    if not id then error('WRONGTYPE') end
    if (id + 1 + slices) * c.slice <= now or id > now / c.slice + slices then
      c.gone[#c.gone + 1] = fields[j]
    else
      c.ids[#c.ids + 1] = id
      c.counts[id] = tonumber(fields[j + 1])
      c.used = c.used + c.counts[id]
    end
  end
  table.sort(c.ids)
  c.fit = fits(c, c.used)
end
function sliding.charge(c, times)
  local units = times * c.cost
  if units == 0 then return end
  local newest = c.ids[#c.ids]
  local id = max(floor(now / c.slice), newest or 0)
  if id ~= newest then c.ids[#c.ids + 1] = id end
  c.counts[id] = (c.counts[id] or 0) + units
  c.used = c.used + units
  call('HINCRBY', c.key, whole(id), whole(units))
  call('PEXPIRE', c.key, whole(ceil((c.period + c.slice) / 1000)))
  if #c.gone > 0 then call('HDEL', c.key, unpack(c.gone)) end
end
function sliding.answer(c)
  local missing = c.used + c.cost - c.limit
  local retry = (slices + 1) * c.slice
  for j = 1, #c.ids do
    missing = missing - c.counts[c.ids[j]]
    if missing <= 0 then
      retry = (c.ids[j] + 1 + slices) * c.slice - now
      break
    end
  end
  local newest = c.ids[#c.ids]
  return c.limit - c.used, retry, newest and (newest + 1 + slices) * c.slice - now or 0
end
function sliding.refund(c, times, at)
  local id = whole(floor(at * slices / c.period))
  local units = times * c.cost
  if tonumber(call('HGET', c.key, id) or '0') >= units then
    call('HINCRBY', c.key, id, whole(-units))
  end
end

local gcra = {}
function gcra.look(c)
  local level, at = string.match(call('GET', c.key) or '0 0', '^(%d+) (%d+)$')
  if not level then error('WRONGTYPE') end
  c.room = c.burst * c.period
  c.level = min(tonumber(level), c.room) - max(0, now - tonumber(at)) * c.limit
  c.level = max(0, c.level)
  if c.cost == 0 then
    c.fit = c.level > c.room and 0 or c.n
  else
    c.fit = min(c.n, floor((c.room - c.level) / (c.cost * c.period)))
  end
end
function gcra.store(c)
  call('SET', c.key, whole(c.level) .. ' ' .. nowText,
    'PX', whole(ceil(c.level / c.limit / 1000) + 1))
end
function gcra.charge(c, times)
  if times * c.cost == 0 then return end
  c.level = c.level + times * c.cost * c.period
  gcra.store(c)
end
function gcra.answer(c)
  local retry = (c.level + c.cost * c.period - c.room) / c.limit
  return floor((c.room - c.level) / c.period), retry, c.level / c.limit
end
function gcra.refund(c, times)
  c.burst = c.n * c.cost + 1e6
  gcra.look(c)
  c.level = max(0, c.level - times * c.cost * c.period)
  if c.level > 0 then gcra.store(c) else call('DEL', c.key) end
end

-- No counter: a key that lives as long as nobody is to pass. Its limit in "burst" is milliseconds.
local gate = {}
function gate.look(c)
  c.left = max(0, call('PTTL', c.key))
  c.fit = c.left > 0 and 0 or c.n
end
function gate.charge() end
function gate.each(c)
  gate.look(c)
  if c.burst > c.left then
    call('SET', c.key, '1', 'PX', whole(c.burst))
    c.left = c.burst
    c.fit = 0
  end
end
function gate.answer(c)
  local left = c.left * 1000
  return left > 0 and 0 or c.cost, left, left
end
function gate.refund() end

local algorithms = {
  ['0'] = fixed, ['1'] = sliding, ['2'] = gcra, ['3'] = named, ['4'] = gate
}

local function decide(mode, group)
  if mode == '2' then
    for i = 1, #group do
      local c = group[i]
      c.fit = 0
      c.with.refund(c, c.last, c.burst)
    end
    return
  end
  if mode == '${LOOK}' then
    for i = 1, #group do group[i].with.look(group[i]) end
    return
  end
  if mode == '0' then
    for i = 1, #group do
      local c = group[i]
      if c.with.each then
        c.with.each(c)
      else
        c.with.look(c)
        if c.fit > 0 then c.with.charge(c, c.fit) end
      end
    end
    return
  end
  local granted = group[1].n
  for i = 1, #group do
    local c = group[i]
    c.with.look(c)
    if c.last == 1 then granted = min(granted, c.fit) end
  end
  for i = 1, #group do
    local c = group[i]
    local times = min(granted, c.fit)
    if times > 0 and c.cost > 0 then c.with.charge(c, times) end
  end
end

local reply = { tonumber(time[1]), tonumber(time[2]) }
local filled = 2
local at = 1
local key = 1
local last = #ARGV
while at <= last do
  local mode = ARGV[at]
  local n = tonumber(ARGV[at + 2])
  local group = {}
  for i = 1, tonumber(ARGV[at + 1]) do
    local first = at + 3 + (i - 1) * 6
    group[i] = {
      key = KEYS[key],
      n = n,
      with = algorithms[ARGV[first]],
      limit = tonumber(ARGV[first + 1]),
      period = tonumber(ARGV[first + 2]),
      burst = tonumber(ARGV[first + 3]),
      cost = tonumber(ARGV[first + 4]),
      last = tonumber(ARGV[first + 5]),
      -- Named here so that the table is made as large as it will be.
      fit = 0,
      used = 0,
      level = 0,
      room = 0
    }
    key = key + 1
  end
  at = at + 3 + #group * 6
  local ok, failure = pcall(decide, mode, group)
  if not ok then
    local text = type(failure) == 'table' and failure.err or tostring(failure)
    -- A foreign value under one key is no reason to fail everybody else.
    if not (string.find(text, 'WRONGTYPE') or string.find(text, 'not an integer')) then
      return redis.error_reply(text)
    end
  end
  for i = 1, #group do
    local c = group[i]
    local left, retry, reset = 0, 0, 0
    if ok and mode ~= '2' then left, retry, reset = c.with.answer(c) end
    reply[filled + 1] = ok and c.fit or ${NO_COUNTER}
    reply[filled + 2] = left
    reply[filled + 3] = left < c.cost and max(0, ceil(retry / 1000)) or 0
    reply[filled + 4] = ceil(reset / 1000)
    filled = filled + ${ANSWER_LENGTH}
  end
end
return reply
`
