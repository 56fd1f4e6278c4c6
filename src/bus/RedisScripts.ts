/**
 * Scripts that run as one step in the server. The lease of a group says which consumer is the active one; reading is
 * fenced by it, so that a consumer that slept through the loss of its lease can take no entry away from the next one.
 */

/** KEYS lease · ARGV consumer, lease in ms. 1 when the lease is this consumer's now, else 0. */
export const acquire = `
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1`

/** KEYS lease · ARGV consumer, lease in ms. 0 when it has lapsed, even if nobody has it now: somebody may have had it. */
export const renew = `
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])`

/** KEYS lease · ARGV consumer. Lets another consumer follow at once. */
export const release = `
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
return 1`

/**
 * KEYS lease, stream · ARGV consumer, group, cursor, count. Takes over what any consumer of the group took and did not
 * acknowledge, oldest first: [next cursor, entries, ids that have been trimmed away]; nil without the lease. There is no
 * idle time to wait for: whoever held these entries has lost its lease.
 */
export const claim = `
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return false end
return redis.call('XAUTOCLAIM', KEYS[2], ARGV[2], ARGV[1], 0, ARGV[3], 'COUNT', ARGV[4])`

/** KEYS lease, stream · ARGV consumer, group. Forgets the consumers that hold nothing any more. */
export const sweep = `
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return false end
for _, consumer in ipairs(redis.call('XINFO', 'CONSUMERS', KEYS[2], ARGV[2])) do
  if consumer[2] ~= ARGV[1] and consumer[4] == 0 then
    redis.call('XGROUP', 'DELCONSUMER', KEYS[2], ARGV[2], consumer[2])
  end
end
return 1`

/**
 * KEYS lease, stream · ARGV consumer, group, count. New entries for the group and the stream's last id, after which
 * there is nothing to wait for: [entries, id]; nil without the lease.
 */
export const read = `
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return false end
local answer = redis.call('XREADGROUP', 'GROUP', ARGV[2], ARGV[1], 'COUNT', ARGV[3], 'STREAMS', KEYS[2], '>')
local newest = redis.call('XREVRANGE', KEYS[2], '+', '-', 'COUNT', 1)
return { answer and answer[1][2] or {}, newest[1] and newest[1][1] or '0-0' }`
