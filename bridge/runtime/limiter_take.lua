-- Draw one token from every bucket, or none. The rules are bridge/domain/throttle.py's, for all processes together.
-- KEYS: for each bucket its window (a sorted set) and its state (a hash).
-- ARGV: unique member, then per bucket: limit, period in seconds.
-- Returns {wait in milliseconds, index of the bucket that makes us wait (1-based, 0 for none), and per bucket what is
-- drawn of it now and its limit}.
local time = redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1e6
local member = ARGV[1]
local longest, blocking = 0, 0
local buckets = #KEYS / 2
local counts = {}

local function wait_of(window, state, limit, period)
  local meta = redis.call('HMGET', state, 'closed_until', 'left', 'left_until', 'limit')
  local wait = 0
  local closed_until = tonumber(meta[1])
  if closed_until and closed_until > now then wait = closed_until - now end
  limit = tonumber(meta[4]) or limit
  local left, left_until = tonumber(meta[2]), tonumber(meta[3])
  if left and left_until and left_until > now and left <= 0 then wait = math.max(wait, left_until - now) end
  if limit <= 0 then return math.max(wait, period), 0, limit end
  redis.call('ZREMRANGEBYSCORE', window, '-inf', now - period)
  local used = redis.call('ZCARD', window)
  if used >= limit then
    local oldest = redis.call('ZRANGE', window, used - limit, used - limit, 'WITHSCORES')
    wait = math.max(wait, tonumber(oldest[2]) + period - now)
  end
  return wait, used, limit
end

for i = 1, buckets do
  local limit, period = tonumber(ARGV[2 * i]), tonumber(ARGV[2 * i + 1])
  local wait, used, allowed = wait_of(KEYS[2 * i - 1], KEYS[2 * i], limit, period)
  counts[2 * i - 1], counts[2 * i] = used, allowed
  if wait > longest then longest, blocking = wait, i end
end
if longest > 0 then return { math.ceil(longest * 1000), blocking, unpack(counts) } end

for i = 1, buckets do
  local period = tonumber(ARGV[2 * i + 1])
  local window, state = KEYS[2 * i - 1], KEYS[2 * i]
  counts[2 * i - 1] = counts[2 * i - 1] + 1
  redis.call('ZADD', window, now, member)
  redis.call('EXPIRE', window, math.ceil(period) + 1)
  if redis.call('HEXISTS', state, 'left') == 1 then redis.call('HINCRBY', state, 'left', -1) end
end
return { 0, 0, unpack(counts) }
