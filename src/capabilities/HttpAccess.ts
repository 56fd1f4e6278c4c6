import { lookup } from "node:dns"
import { BlockList, isIP, type LookupFunction } from "node:net"

/**
 * Addresses that are nobody's public service: this machine, its networks, metadata services of clouds, and all of IANA's
 * special-purpose registries (RFC 6890), also what is reachable there but no service's own. An IPv4 address in IPv6 notation is judged as IPv4.
 */
const notPublic = new BlockList()
const v4 = [
  ["0.0.0.0", 8],
  ["10.0.0.0", 8],
  ["100.64.0.0", 10],
  ["127.0.0.0", 8],
  ["169.254.0.0", 16],
  ["172.16.0.0", 12],
  ["192.0.0.0", 24],
  ["192.0.2.0", 24],
  ["192.31.196.0", 24],
  ["192.52.193.0", 24],
  ["192.88.99.0", 24],
  ["192.168.0.0", 16],
  ["192.175.48.0", 24],
  ["198.18.0.0", 15],
  ["198.51.100.0", 24],
  ["203.0.113.0", 24],
  ["224.0.0.0", 4],
  ["240.0.0.0", 4],
  // Azure's platform address, which is in a public range.
  ["168.63.129.16", 32]
] as const
const v6 = [
  ["::", 96],
  // IPv4-translated (RFC 2765): an IPv4 address behind a translator.
  ["::ffff:0:0:0", 96],
  // Translated to IPv4 somewhere on the way, to addresses that are not looked at here.
  ["64:ff9b::", 96],
  ["64:ff9b:1::", 48],
  ["100::", 64],
  ["100:0:0:1::", 64],
  ["2001::", 23],
  ["2001:db8::", 32],
  ["2002::", 16],
  ["2620:4f:8000::", 48],
  ["3fff::", 20],
  ["5f00::", 16],
  ["fc00::", 7],
  ["fe80::", 10],
  ["fec0::", 10],
  ["ff00::", 8]
] as const
for (const [net, prefix] of v4) notPublic.addSubnet(net, prefix, "ipv4")
for (const [net, prefix] of v6) notPublic.addSubnet(net, prefix, "ipv6")

/** Whether the address is one that workflows may not ask unless the app allows its host. */
export const isPrivate = (address: string): boolean => {
  const plain = address.replace(/%.*$/, "")
  const family = isIP(plain)
  // What is no address cannot be judged, and so is not asked.
  return family === 0 || notPublic.check(plain, family === 6 ? "ipv6" : "ipv4")
}

/** A host that may be asked wherever it is: `host`, `host:port` or `*.domain`, with or without a port. */
export interface AllowedHost {
  /** Lower case, IPv6 without brackets; with `wildcard` the part after `*`, with its dot. */
  readonly host: string
  readonly wildcard: boolean
  readonly port: number | undefined
}

/** An entry of the app's `http.allow`, or undefined where it is none. */
export const parseAllowed = (text: string): AllowedHost | undefined => {
  const match = /^(?:\[([0-9A-Fa-f:.]+)\]|(\*\.)?([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?))(?::(\d{1,5}))?$/.exec(
    text
  )
  if (match === null) return undefined
  const [, address, star, name = "", port] = match
  if (address !== undefined && isIP(address) !== 6) return undefined
  if (port !== undefined && (Number(port) < 1 || Number(port) > 65_535)) return undefined
  return {
    host: address === undefined ? `${star === undefined ? "" : "."}${name.toLowerCase()}` : hostOf(`[${address}]`),
    wildcard: star !== undefined,
    port: port === undefined ? undefined : Number(port)
  }
}

/** As a URL writes it, without brackets: `[0:0::1]` is `::1`. */
const hostOf = (host: string): string => bare(new URL(`http://${host}/`).hostname)
const bare = (hostname: string): string => hostname.replace(/^\[|\]$/g, "").replace(/\.$/, "")

type Resolve = (
  hostname: string,
  options: { readonly all: true; readonly family?: number },
  callback: (
    error: NodeJS.ErrnoException | null,
    addresses: ReadonlyArray<{ readonly address: string; readonly family: number }>
  ) => void
) => void

export interface HttpAccess {
  readonly allow: ReadonlyArray<AllowedHost>
  /** Looks a name up; each connection asks once, and goes to an address that it answered. */
  readonly resolve: Resolve
}

export const resolveBySystem: Resolve = (hostname, { family = 0 }, callback) =>
  lookup(hostname, { all: true, family }, (error, addresses) => callback(error, addresses ?? []))

/** The host may not be asked. */
export class HostNotAllowed extends Error {
  override readonly name = "HostNotAllowed"
  constructor(host: string, address: string) {
    super(
      `${host === address ? address : `${host} is at ${address}, which`} is no public address; an app allows it by http.allow: [${JSON.stringify(host)}]`
    )
  }
}

const isAllowed = ({ allow }: HttpAccess, url: URL): boolean => {
  const host = bare(url.hostname).toLowerCase()
  const port = Number(url.port || (url.protocol === "https:" ? 443 : 80))
  return allow.some(
    (allowed) =>
      (allowed.wildcard ? host.endsWith(allowed.host) : host === allowed.host) &&
      (allowed.port === undefined || allowed.port === port)
  )
}

/**
 * The `lookup` of a connection to this URL. It answers only addresses that may be connected to, and Node connects to
 * what it answers: no second look-up can answer something else. Throws for an address that is written as such.
 */
export const guardedLookup = (access: HttpAccess, url: URL): LookupFunction => {
  const allowed = isAllowed(access, url)
  const host = bare(url.hostname)
  // Node asks nobody for an address that is written as such.
  if (!allowed && isIP(host) !== 0 && isPrivate(host)) throw new HostNotAllowed(host, host)
  return (hostname, options, callback) => {
    const family = options.family === 4 || options.family === "IPv4" ? 4 : options.family === 6 ? 6 : 0
    access.resolve(hostname, { all: true, family }, (error, addresses) => {
      if (error !== null) return callback(error, "", 0)
      const refused = allowed ? undefined : addresses.find(({ address }) => isPrivate(address))
      if (refused !== undefined) return callback(new HostNotAllowed(hostname, refused.address), "", 0)
      const [first] = addresses
      if (first === undefined) {
        return callback(Object.assign(new Error(`${hostname} has no address`), { code: "ENOTFOUND" }), "", 0)
      }
      if (options.all === true) callback(null, [...addresses])
      else callback(null, first.address, first.family)
    })
  }
}
