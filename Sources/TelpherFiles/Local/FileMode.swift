internal import Glibc

/// What of a mode is passed on.
enum FileMode {
  /// Files come without their set-user-ID and set-group-ID bits, as from cp(1): the copy has another
  /// owner than whoever set them had in mind.
  static let keptOfFiles: UInt32 = 0o777
  /// A folder's set-group-ID and sticky bits rule over what is made in it, and harm nobody.
  static let keptOfFolders: UInt32 = 0o3777

  /// The bits that this process does not give to what it makes: umask(2), which can be asked for
  /// without a change, that other threads would notice, only in proc(5). All where that can't be read.
  static let mask: UInt32 = {
    let descriptor = open("/proc/self/status", O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return 0o777 }
    defer { close(descriptor) }
    let bytes = [UInt8](unsafeUninitializedCapacity: 4_096) { buffer, count in
      count = max(0, read(descriptor, buffer.baseAddress, buffer.count))
    }
    let line = String(decoding: bytes, as: UTF8.self).split(separator: "\n")
      .first { $0.hasPrefix("Umask:") }
    return line.flatMap { UInt32($0.dropFirst("Umask:".count).drop { $0 == "\t" }, radix: 8) }
      ?? 0o777
  }()
}
