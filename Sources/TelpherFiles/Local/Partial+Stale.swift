internal import CTelpherSys
internal import Glibc

extension Partial {
  /// Removes what transfers left in `folder` that broke off more than `seconds` ago, by the clock of
  /// this machine. One that goes on is locked, and stays, as does what can't be removed.
  public static func removeStale(in folder: Folder, olderThan seconds: Int64) {
    var now = timespec()
    clock_gettime(CLOCK_REALTIME, &now)
    let limit = now.nanoseconds - Int128(seconds) * 1_000_000_000
    for name in (try? folder.names()) ?? [] where isPartial(name) {
      // When it was last touched: the time of its last change may be set to the source's already.
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
    // Locked until the end of this function: nobody takes it up meanwhile.
    let descriptor = Descriptor(owning: number)
    defer { telpher_unlock(descriptor.number) }
    guard telpher_lock(descriptor.number) == 0,
      let now = try? folder.status(of: name), now == status
    else { return }
    try? folder.remove(name, isFolder: false)
  }
}
