/**
 * Scripts that run as one step in the server. The lease of a group says which consumer is the active one; reading is
 * fenced by it, so that a consumer that slept through the loss of its lease can take no entry away from the next one.
 */

/**
 * KEYS stream · ARGV group, `0` or `$`. Makes a group that does not exist. It is told how many entries came before it, so
 * that Redis 7 can say later how many it has not read; older servers cannot.
 */
export const create = `
local before = 0
if ARGV[2] == '$' and redis.call('EXISTS', KEYS[1]) == 1 then
  local info = redis.call('XINFO', 'STREAM', KEYS[1])
  for index = 1, #info, 2 do
    if info[index] == 'entries-added' then before = info[index + 1] end
  end
end
local made = redis.pcall('XGROUP', 'CREATE', KEYS[1], ARGV[1], ARGV[2], 'MKSTREAM', 'ENTRIESREAD', before)
if type(made) == 'table' and made.err and not string.find(made.err, 'BUSYGROUP') then
  made = redis.pcall('XGROUP', 'CREATE', KEYS[1], ARGV[1], ARGV[2], 'MKSTREAM')
end
if type(made) == 'table' and made.err and not string.find(made.err, 'BUSYGROUP') then return made end
return 1`

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
 * KEYS lease, stream · ARGV consumer, group, count. New entries for the group, the stream's last id, after which there is
 * nothing to wait for, and how many entries were trimmed away just before what is read now (Redis 7 and newer knows; its
 * count includes those that were missed earlier): [entries, id, count]; nil without the lease.
 */
export const read = `
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return false end
local function after(left, right)
  local leftMs, leftSeq = string.match(left, '(%d+)-(%d+)')
  local rightMs, rightSeq = string.match(right, '(%d+)-(%d+)')
  if leftMs ~= rightMs then return tonumber(leftMs) > tonumber(rightMs) end
  return tonumber(leftSeq) > tonumber(rightSeq)
end
local missed = 0
local oldest = redis.call('XRANGE', KEYS[2], '-', '+', 'COUNT', 1)
for _, info in ipairs(redis.call('XINFO', 'GROUPS', KEYS[2])) do
  local group = {}
  for index = 1, #info, 2 do group[info[index]] = info[index + 1] end
  local behind = oldest[1] and group['lag'] and after(oldest[1][1], group['last-delivered-id'])
  if group['name'] == ARGV[2] and behind then
    missed = math.max(0, group['lag'] - redis.call('XLEN', KEYS[2]))
  end
end
local answer = redis.call('XREADGROUP', 'GROUP', ARGV[2], ARGV[1], 'COUNT', ARGV[3], 'STREAMS', KEYS[2], '>')
local newest = redis.call('XREVRANGE', KEYS[2], '+', '-', 'COUNT', 1)
return { answer and answer[1][2] or {}, newest[1] and newest[1][1] or '0-0', missed }`

/**
 * KEYS dead letters, stream · ARGV entry, field of the event. Puts the letter's event at the end of the stream and
 * forgets the letter; 0 when it is not there, so that of two who retry it one does.
 */
export const retryLetter = `
local found = redis.call('XRANGE', KEYS[1], ARGV[1], ARGV[1])
if not found[1] then return 0 end
local fields = found[1][2]
for index = 1, #fields, 2 do
  if fields[index] == ARGV[2] then redis.call('XADD', KEYS[2], '*', ARGV[2], fields[index + 1]) end
end
return redis.call('XDEL', KEYS[1], ARGV[1])`

/** KEYS dead letters · ARGV entry. Forgets the letter; 0 when it is not there. */
export const discardLetter = `
return redis.call('XDEL', KEYS[1], ARGV[1])`
