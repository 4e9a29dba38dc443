internal import Glibc

/// What of a mode is passed on.
enum FileMode {
  /// Files come without their set-user-ID and set-group-ID bits, as from cp(1), since the copy has
  /// another owner. The umask takes bits from what a sender, who may be hostile, asks for.
  static let keptOfFiles: UInt32 = 0o777 & ~mask
  /// A folder's set-group-ID and sticky bits only rule over what is made in it, and are kept.
  static let keptOfFolders: UInt32 = 0o3777 & ~mask

  /// The bits that this process does not give to what it makes: umask(2). Without a change that other
  /// threads would notice it can only be read in proc(5). Where it can't be read, all bits of others
  /// than the owner are taken.
  static let mask: UInt32 = {
    let descriptor = open("/proc/self/status", O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return maskIfUnknown }
    defer { close(descriptor) }
    let bytes = [UInt8](unsafeUninitializedCapacity: 4_096) { buffer, count in
      count = max(0, read(descriptor, buffer.baseAddress, buffer.count))
    }
    let line = String(decoding: bytes, as: UTF8.self).split(separator: "\n")
      .first { $0.hasPrefix("Umask:") }
    return line.flatMap { UInt32($0.dropFirst("Umask:".count).drop { $0 == "\t" }, radix: 8) }
      ?? maskIfUnknown
  }()

  private static let maskIfUnknown: UInt32 = 0o077
}
