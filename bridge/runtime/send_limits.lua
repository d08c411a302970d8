-- May this message leave now? The rules are bridge/domain/meta_limits.py's, for all processes together; all is drawn or
-- nothing. Times are whole microseconds: `now` real, `business` the clock that may be moved.
-- KEYS: 1 state of the number, 2 its window, 3 the pair, 4 people, 5 the tier's state, 6 tentative, 7 what was known
-- before them, 8 the person's marketing cap, 9 state of the template.
-- ARGV: operation, now ("" for the server's clock), then what each operation says.
local SECOND, HOUR = 1000000, 3600000000
local WINDOW, ANSWER = 1002000, 2000000
local PAIR, PAIR_BURST, PAIR_BURST_END = 6100000, 45, 5500000
local TIER_PERIOD, TENTATIVE, TIER_KEPT = 86460000000, 60000000, 172800000000
local PACE_BURST, YIELD, WANTED, STARVED, FORGETFUL = 100000, 20000, 250000, 1000000, 1100000
local INBOUND_MEMORY, SLOWEST, RECOVERY, UNKNOWN_TIER_WAIT = 10, 100, 25, 5000000
local SMALLEST_GAP, LONGEST_HALVINGS = 1000, 30
-- pause, longest, gap, halving
local BRAKES = {
  number = { SECOND, 30 * SECOND, 0, SECOND },
  account = { 60 * SECOND, HOUR, SECOND, 5 * SECOND },
  outreach = { HOUR, 6 * HOUR, 60 * SECOND, 60 * SECOND },
  template = { 600 * SECOND, 6 * HOUR, 60 * SECOND, 60 * SECOND },
}
local NUMBER, ACCOUNT, OUTREACH, TEMPLATE, PAIR_LIMIT, THROUGHPUT, TIER, CAP = 1, 2, 3, 4, 5, 6, 7, 8

local state, window, pair, people, tier_state = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local tentative, before, cap, template = KEYS[6], KEYS[7], KEYS[8], KEYS[9]
local operation = ARGV[1]
local now = tonumber(ARGV[2])
if not now then
  local time = redis.call('TIME')
  now = tonumber(time[1]) * SECOND + tonumber(time[2])
end

local function whole(number) return string.format('%.0f', number) end

local function fields(key)
  local flat, found = redis.call('HGETALL', key), {}
  for i = 1, #flat, 2 do found[flat[i]] = flat[i + 1] end
  return found
end

local function number_in(found, name, otherwise) return tonumber(found[name]) or otherwise end

local function restore(contact, previous)
  if previous == '' then redis.call('ZREM', people, contact) else redis.call('ZADD', people, previous, contact) end
end

local function run_id() return string.match(redis.call('INFO', 'server'), 'run_id:(%w+)') end

-- Nobody knows whom we wrote to, unless this very server was told since it started.
local function built() return redis.call('HGET', tier_state, 'run_id') == run_id() end

local function permille_now(found)
  local slow, at = number_in(found, 'slow', 1000), number_in(found, 'slow_at', 0)
  return math.min(1000, slow + math.floor((now - at) * RECOVERY / SECOND))
end

local function brake_wait(found, prefix, brake)
  local closed = number_in(found, prefix .. 'closed', 0)
  if now < closed then return closed - now end
  if closed == 0 or brake[3] == 0 then return 0 end
  local halvings = math.min(math.floor((now - closed) / brake[4]), LONGEST_HALVINGS)
  local gap = math.floor(brake[3] / 2 ^ halvings)
  if gap < SMALLEST_GAP then return 0 end
  return math.max(0, number_in(found, prefix .. 'granted', 0) + gap - now)
end

local function in_burst(began, count) return now - began < PAIR_BURST_END and count < PAIR_BURST end

local function used(business)
  return redis.call('ZCOUNT', people, '(' .. whole(business - TIER_PERIOD), '+inf')
end

-- The number's own state lasts as long as it is used.
local function keep(key, microseconds) redis.call('PEXPIRE', key, math.ceil(microseconds / 1000)) end

local function decide()
  local business, contact, urgency = tonumber(ARGV[3]), ARGV[4], tonumber(ARGV[5])
  local outside, marketing, has_template = ARGV[6] == '1', ARGV[7] == '1', ARGV[8] == '1'
  local throughput, tier, lead = tonumber(ARGV[9]), tonumber(ARGV[10]), tonumber(ARGV[11])
  local arrived, member = tonumber(ARGV[12]), ARGV[13]
  for i = 14, #ARGV, 2 do redis.call('ZADD', window, ARGV[i + 1], ARGV[i]) end

  local found, changed = fields(state), {}
  local second = math.floor(now / SECOND)
  local in_second, in_count = number_in(found, 'in_second', 0), number_in(found, 'in_count', 0)
  local peak, peak_second = number_in(found, 'peak', 0), number_in(found, 'peak_second', 0)
  if second ~= in_second then
    if in_count >= peak or second - peak_second > INBOUND_MEMORY then peak, peak_second = in_count, in_second end
    in_second, in_count = second, 0
  end
  in_count = in_count + arrived
  changed = {
    'in_second', whole(in_second), 'in_count', whole(in_count), 'peak', whole(peak), 'peak_second', whole(peak_second),
  }
  local born = tonumber(found['born'])
  if not born then
    born = now
    changed[#changed + 1], changed[#changed + 2] = 'born', whole(now)
  end
  local function note(name, value) changed[#changed + 1], changed[#changed + 2] = name, whole(value) end
  local function answer(...)
    redis.call('HSET', state, unpack(changed))
    return { ... }
  end

  if outside and tier == -1 then
    redis.call('DEL', tier_state)
  elseif outside then
    if not tier then return answer(1, UNKNOWN_TIER_WAIT, TIER) end
    if not built() then return answer(2) end
    local gone = redis.call('ZRANGEBYSCORE', tentative, '-inf', whole(now))
    for _, name in ipairs(gone) do
      restore(name, redis.call('HGET', before, name))
      redis.call('ZREM', tentative, name)
      redis.call('HDEL', before, name)
    end
    local score = tonumber(redis.call('ZSCORE', people, contact))
    if not (score and score > business - TIER_PERIOD) then
      if tier <= 0 then return answer(1, HOUR, TIER) end
      local count = used(business)
      if count >= tier then
        local oldest = redis.call(
          'ZRANGEBYSCORE', people, '(' .. whole(business - TIER_PERIOD), '+inf', 'WITHSCORES', 'LIMIT', count - tier, 1)
        return answer(1, tonumber(oldest[2]) + TIER_PERIOD - business, TIER)
      end
    end
  end
  if marketing then
    local capped = tonumber(redis.call('GET', cap) or 0)
    if capped > business then return answer(1, capped - business, CAP) end
  end

  -- throughput
  redis.call('ZREMRANGEBYSCORE', window, '-inf', whole(now))
  local most = math.max(second - peak_second <= INBOUND_MEMORY and peak or 0, in_count)
  local reserve = math.min(most + math.floor((most + 3) / 4), throughput - math.floor(throughput / 4))
  local allowed = math.max(1, math.floor((throughput - reserve) * permille_now(found) / 1000))
  local speed = 0
  if now - born < FORGETFUL then
    if urgency > 0 then speed = math.max(speed, born + FORGETFUL - now) end
    allowed = math.max(1, math.floor(allowed / 4))
  end
  local from = '(' .. whole(now + lead)
  local taken = redis.call('ZCOUNT', window, from, '+inf')
  if taken >= allowed then
    local first = redis.call('ZRANGEBYSCORE', window, from, '+inf', 'WITHSCORES', 'LIMIT', taken - allowed, 1)
    speed = math.max(speed, tonumber(first[2]) - now - lead)
  end
  local paced = number_in(found, 'paced', 0)
  if urgency > 0 then speed = math.max(speed, math.max(paced, now) - now - PACE_BURST) end
  local refused_for = now - number_in(found, 'refused' .. urgency, now)
  for other = 0, 2 do
    if other ~= urgency and number_in(found, 'wanted' .. other, 0) > now then
      local is_passed_over = other < urgency and refused_for < STARVED
      local is_its_turn = other > urgency and now - number_in(found, 'refused' .. other, now) >= 2 * STARVED
      if is_passed_over or is_its_turn then speed = math.max(speed, YIELD) end
    end
  end

  -- brakes and the pair
  local wait, limit = brake_wait(found, 'number.', BRAKES.number), NUMBER
  local function also(other, reason)
    if other > wait then wait, limit = other, reason end
  end
  also(brake_wait(found, 'account.', BRAKES.account), ACCOUNT)
  if outside then also(brake_wait(found, 'outreach.', BRAKES.outreach), OUTREACH) end
  local pressed = {}
  if has_template then
    pressed = fields(template)
    also(brake_wait(pressed, '', BRAKES.template), TEMPLATE)
  end
  local of_pair = redis.call('HMGET', pair, 'began', 'count', 'closed', 'late')
  local began, count, closed = tonumber(of_pair[1]) or -2 ^ 52, tonumber(of_pair[2]) or 0, tonumber(of_pair[3]) or 0
  local late = tonumber(of_pair[4]) or 0
  local pair_wait = math.max(0, closed - now)
  if not in_burst(began, count) then pair_wait = math.max(pair_wait, began + late + count * PAIR - now) end
  also(pair_wait, PAIR_LIMIT)
  if wait == 0 and speed > 0 then
    note('wanted' .. urgency, now + WANTED)
    if not found['refused' .. urgency] then note('refused' .. urgency, now) end
  end
  if math.max(wait, speed) > 0 then
    if wait >= speed then return answer(1, wait, limit) end
    return answer(1, speed, THROUGHPUT)
  end

  -- draw
  redis.call('ZADD', window, whole(now + lead + WINDOW + ANSWER), member)
  keep(window, 2 * ANSWER + lead)
  if found['wanted' .. urgency] then redis.call('HDEL', state, 'wanted' .. urgency, 'refused' .. urgency) end
  if urgency > 0 then note('paced', math.max(paced, now) + math.floor(SECOND / allowed)) end
  for _, name in ipairs({ 'number.', 'account.' }) do
    if found[name .. 'closed'] then note(name .. 'granted', now) end
  end
  if outside and found['outreach.closed'] then note('outreach.granted', now) end
  if pressed.closed then redis.call('HSET', template, 'granted', whole(now)) end
  note('sent', number_in(found, 'sent', 0) + 1)
  if in_burst(began, count) then count = count + 1 else began, count, late = now, 1, 0 end
  redis.call('HSET', pair, 'began', whole(began), 'count', count, 'late', whole(late))
  keep(pair, math.max(PAIR * (count + 2) + late, closed - now))
  local previous = ''
  if outside and tier ~= -1 then
    local score = redis.call('ZSCORE', people, contact)
    if score then previous = whole(tonumber(score)) end
    redis.call('ZADD', tentative, whole(now + TENTATIVE), contact)
    redis.call('HSETNX', before, contact, previous)
    redis.call('ZADD', people, whole(math.max(business, tonumber(score) or business)), contact)
  end
  return answer(0, previous, now, redis.call('HGET', tier_state, 'build') or '')
end

-- The send is on record: the person counts. 0 when the decision ran out, or Redis forgot it meanwhile.
local function confirm()
  local business, contact, build = tonumber(ARGV[3]), ARGV[4], ARGV[5]
  if not built() or redis.call('HGET', tier_state, 'build') ~= build then return { 0 } end
  local score = tonumber(redis.call('ZSCORE', people, contact))
  if not (score and score > business - TIER_PERIOD) then return { 0 } end
  redis.call('ZREM', tentative, contact)
  redis.call('HDEL', before, contact)
  local counted_at = math.max(business, score)
  redis.call('ZADD', people, whole(counted_at), contact)
  redis.call('ZREMRANGEBYSCORE', people, '-inf', whole(business - TIER_KEPT))
  return { 1, counted_at }
end

local function release()
  local contact, drawn_at, previous = ARGV[3], tonumber(ARGV[4]), ARGV[5]
  redis.call('ZREM', tentative, contact)
  redis.call('HDEL', before, contact)
  if tonumber(redis.call('ZSCORE', people, contact)) == drawn_at then restore(contact, previous) end
  return { 1 }
end

-- Every person of the last day is there now. Who comes second adds nothing.
local function finish_build()
  if not built() then redis.call('HSET', tier_state, 'run_id', run_id(), 'build', ARGV[3]) end
  return { 1 }
end

local function press()
  local name, jitter, at_least = ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5])
  local key, prefix, brake = state, name .. '.', BRAKES[name]
  if name == 'template' then key, prefix = template, '' end
  local found = fields(key)
  local closed, pause = number_in(found, prefix .. 'closed', 0), number_in(found, prefix .. 'pause', 0)
  if now < closed and at_least <= closed - now then return { closed - now } end
  if now >= closed then
    if pause > 0 and now - closed <= 10 * pause then pause = math.min(2 * pause, brake[2]) else pause = brake[1] end
    if name == 'number' then
      local permille = math.max(SLOWEST, math.floor(permille_now(found) / 2))
      redis.call('HSET', key, 'slow', permille, 'slow_at', whole(now))
    end
  end
  local wait = math.max(pause + math.floor(pause * jitter / 4000), at_least)
  redis.call('HSET', key, prefix .. 'closed', whole(now + wait), prefix .. 'pause', whole(pause), prefix .. 'granted', 0)
  if name == 'template' then keep(key, 12 * brake[2]) end
  return { wait }
end

local function close_pair()
  local pause = tonumber(ARGV[3])
  local closed = math.max(tonumber(redis.call('HGET', pair, 'closed') or 0), now + pause)
  local of_pair = redis.call('HMGET', pair, 'began', 'count')
  redis.call('HSET', pair, 'closed', whole(closed))
  local paid = (tonumber(of_pair[1]) or now) + (tonumber(of_pair[2]) or 0) * PAIR
  keep(pair, math.max(closed, paid) - now + 2 * PAIR)
  return { closed - now }
end

local function delay_pair()
  local late = math.max(tonumber(ARGV[3]), tonumber(redis.call('HGET', pair, 'late') or 0))
  redis.call('HSET', pair, 'late', whole(late))
  local count = tonumber(redis.call('HGET', pair, 'count') or 0)
  local left = redis.call('PTTL', pair) * 1000
  keep(pair, math.max(left, PAIR * (count + 2) + late))
  return { 1 }
end

local function set_cap()
  local business, till = tonumber(ARGV[3]), tonumber(ARGV[4])
  till = math.max(till, tonumber(redis.call('GET', cap) or 0))
  -- Business time may stand still while real time goes on: twice as long.
  redis.call('SET', cap, whole(till), 'PX', math.max(1000, math.ceil(2 * (till - business) / 1000)))
  return { 1 }
end

-- {places of the throughput that are taken, thousandths of it that are used since 130429, people counted, until the first
-- of them counts no more, people counted within the last hour, how long each brake holds, whether people are known}
local function look()
  local business = tonumber(ARGV[3])
  local found = fields(state)
  local names = { 'number.', 'account.', 'outreach.' }
  local closed = {}
  for i, name in ipairs(names) do
    closed[i] = brake_wait(found, name, BRAKES[string.sub(name, 1, -2)])
  end
  local oldest = redis.call(
    'ZRANGEBYSCORE', people, '(' .. whole(business - TIER_PERIOD), '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
  local frees = oldest[2] and tonumber(oldest[2]) + TIER_PERIOD - business or 0
  local hour_ago = redis.call('ZCOUNT', people, '(' .. whole(business - HOUR), '+inf')
  return {
    redis.call('ZCOUNT', window, '(' .. whole(now), '+inf'), permille_now(found), used(business), frees, hour_ago, closed[1], closed[2], closed[3], built() and 1 or 0,
  }
end

-- How many left since somebody counted last.
local function count_sent()
  local sent = tonumber(redis.call('HGET', state, 'sent') or 0)
  redis.call('HDEL', state, 'sent')
  return { sent }
end

local OPERATIONS = {
  decide = decide, confirm = confirm, release = release, finish_build = finish_build, press = press,
  close_pair = close_pair, delay_pair = delay_pair, cap = set_cap, look = look, count_sent = count_sent,
}
return OPERATIONS[operation]()
