/** A file of an archive; `name` is at most 100 bytes of UTF-8. */
export interface TarEntry {
  readonly name: string
  readonly bytes: Uint8Array
}

const blockBytes = 512
const nameBytesMax = 100
/** Every file is readable by all and of no time, so that the same files are the same archive. */
const mode = "0000644"
const epoch = "00000000000"

/** The entries as a tar archive (POSIX.1-1988, ustar). Throws when a name is too long. */
export const tar = (entries: ReadonlyArray<TarEntry>): Uint8Array =>
  Buffer.concat([
    ...entries.flatMap(({ bytes, name }) => [
      header(name, bytes.length),
      bytes,
      Buffer.alloc((blockBytes - (bytes.length % blockBytes)) % blockBytes)
    ]),
    Buffer.alloc(2 * blockBytes)
  ])

const header = (name: string, sizeBytes: number): Uint8Array => {
  if (Buffer.byteLength(name) > nameBytesMax) throw new Error(`${name}: a name has at most ${nameBytesMax} bytes`)
  const block = Buffer.alloc(blockBytes)
  block.write(name, 0)
  block.write(mode, 100)
  block.write("0000000", 108)
  block.write("0000000", 116)
  block.write(sizeBytes.toString(8).padStart(11, "0"), 124)
  block.write(epoch, 136)
  // The sum is taken over the header with blanks in place of the sum.
  block.write("        0", 148)
  block.write("ustar\0" + "00", 257)
  const sum = block.reduce((total, byte) => total + byte, 0)
  block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148)
  return block
}
