internal import CTelpherSys
internal import Glibc

extension Partial {
  /// Removes the partial files in `folder` that have not changed for more than `seconds`, by this
  /// machine's clock. Files of running transfers are locked and remain. Failures are ignored.
  package static func removeStale(in folder: Folder, olderThan seconds: Int64) {
    var now = timespec()
    clock_gettime(CLOCK_REALTIME, &now)
    let limit = now.nanoseconds - Int128(seconds) * 1_000_000_000
    for name in (try? folder.names()) ?? [] where isPartial(name) {
      // Compare the ctime: the mtime may already be the source's.
      guard let status = try? folder.status(of: name), status.changedNS < limit else { continue }
      switch status.kind {
      case .link: try? folder.remove(name, isFolder: false)
      case .file: removeUnlocked(name, in: folder, status)
      case .folder, .other: continue
      }
    }
  }

  private static func removeUnlocked(_ name: [UInt8], in folder: Folder, _ status: FileStatus) {
    let number = name.withCPath { telpher_open_child_file(folder.descriptor.number, $0) }
    guard number >= 0 else { return }
    // The lock keeps other transfers from claiming the file until this function returns.
    let descriptor = Descriptor(owning: number)
    defer { telpher_unlock(descriptor.number) }
    guard telpher_lock(descriptor.number) == 0,
      let now = try? folder.status(of: name), now == status
    else { return }
    try? folder.remove(name, isFolder: false)
  }
}
