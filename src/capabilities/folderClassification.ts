import type { FailureClass } from "../domain/Failure.ts"

/** One situation of a folder store: the error codes by which Node reports it, and what it means. */
export interface FolderRow {
  readonly situation: string
  readonly errnos: ReadonlyArray<string>
  readonly class: FailureClass
  readonly code: string
}

/**
 * What each error of the file system means, for a path below a root that is there (a missing root is found before:
 * `rootMissing`). First match wins; the last row takes the rest.
 */
export const rows: ReadonlyArray<FolderRow> = [
  { situation: "no such file", errnos: ["ENOENT"], class: "asset_missing", code: "not_found" },
  { situation: "a parent is a file", errnos: ["ENOTDIR"], class: "asset_missing", code: "not_found" },
  { situation: "the name is a folder", errnos: ["EISDIR"], class: "asset_missing", code: "not_found" },
  { situation: "no permission", errnos: ["EACCES", "EPERM"], class: "permanent", code: "access_denied" },
  { situation: "a symbolic link", errnos: ["ELOOP"], class: "permanent", code: "symlink_refused" },
  { situation: "a name too long for the disk", errnos: ["ENAMETOOLONG"], class: "permanent", code: "invalid_key" },
  { situation: "the disk is full", errnos: ["ENOSPC", "EDQUOT"], class: "store_unavailable", code: "disk_full" },
  { situation: "the disk is read-only", errnos: ["EROFS"], class: "store_unavailable", code: "read_only" },
  {
    situation: "no file descriptor is left",
    errnos: ["EMFILE", "ENFILE"],
    class: "store_unavailable",
    code: "too_many_open_files"
  },
  {
    situation: "the disk does not answer as it should",
    errnos: [
      "EIO",
      "ESTALE",
      "ENXIO",
      "ENODEV",
      "EBUSY",
      "ENOMEM",
      "ENOTCONN",
      "EHOSTDOWN",
      "EHOSTUNREACH",
      "ETIMEDOUT",
      "ETIME"
    ],
    class: "store_unavailable",
    code: "io_error"
  }
]

/** The root folder itself is not there: nothing can be said about any object. */
export const rootMissing: FolderRow = {
  situation: "the root folder is missing",
  errnos: ["ENOENT", "ENOTDIR"],
  class: "store_unavailable",
  code: "root_missing"
}

/** A file is where a folder must be made, or the other way around: only a write can meet it. */
export const nameTaken: FolderRow = {
  situation: "a folder and an object of one name",
  errnos: ["ENOTDIR", "EEXIST", "EISDIR", "ENOTEMPTY"],
  class: "permanent",
  code: "name_taken"
}

/** The folder of a write was removed while it went on; the next try makes it again. */
export const vanished: FolderRow = {
  situation: "a folder vanished during a write",
  errnos: ["ENOENT", "ENOTDIR"],
  class: "transient",
  code: "vanished"
}

/** Neither a file nor a folder: a pipe, a socket, a device. */
export const notAFile: FolderRow = {
  situation: "not a regular file",
  errnos: [],
  class: "permanent",
  code: "not_a_file"
}

/** What no row knows is worth another try. */
export const unrecognized: FolderRow = {
  situation: "anything else",
  errnos: [],
  class: "transient",
  code: "unrecognized"
}

/** The first row that knows the error's code. */
export const classify = (errno: string | undefined): FolderRow =>
  rows.find((row) => errno !== undefined && row.errnos.includes(errno)) ?? unrecognized
