-- Keep what the far side itself counted: others may draw from the same bucket.
-- KEYS: the bucket's state (a hash). ARGV: limit, remaining, seconds to its reset, seconds that tell a new window.
local state = KEYS[1]
local limit, remaining, reset, slack = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local time = redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1e6
local known = redis.call('HMGET', state, 'left', 'left_until')
local left, left_until = tonumber(known[1]), tonumber(known[2])
-- Answers of one window come in any order.
local reset_at = now + reset
if left and left_until and now < left_until and left_until >= reset_at - slack then
  remaining = math.min(remaining, left)
  reset_at = left_until
end
redis.call('HSET', state, 'left', remaining, 'left_until', string.format('%.6f', reset_at), 'limit', limit)
redis.call('EXPIRE', state, 3600)
