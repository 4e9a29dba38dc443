internal import CTelpherSys
internal import Glibc

/// A folder and the folders that hold it, up to `/`, as opaque names: two are equal exactly if they
/// stand for the same folder of the same running system. So a client sees that a destination is inside
/// of its source, though it knows the one by a path of this machine and the other by one of the
/// server's.
///
/// A name is a digest of the system's boot ID, the file system's number and the folder's number there,
/// and tells nothing else.
package struct FolderLineage: Sendable, Equatable {
  /// As deep as a path of the longest kind leads. More names would not fit into CLOSE.
  static let longest = RelativePath.maximumLength / 2
  /// Characters of a name.
  private static let nameLength = 16

  /// The names: that of the folder itself, then upward. Empty where the system can't be told from
  /// others.
  package let names: [String]

  /// The lineage that a server told of.
  package init(names: [String]) { self.names = names }

  /// The lineage of a folder of this machine.
  ///
  /// - Throws: `FileError` where a folder above can't be looked at.
  package init(of root: Root, _ path: RelativePath) throws(FileError) {
    guard let system = Self.system else {
      names = []
      return
    }
    var folder = try root.look(at: path, follows: true)
    var names: [String] = []
    var last: FileStatus?
    while names.count < Self.longest {
      let status = try FileStatus(of: folder, "look at", path)
      if let last, last.inode == status.inode, last.device == status.device { break }
      last = status
      names.append(Self.name(system, status))
      let parent = telpher_open_folder_from(folder.number, "..")
      guard parent >= 0 else {
        // One that may not be entered from below: no path from here leads there either.
        break
      }
      folder = Descriptor(owning: parent)
    }
    self.names = names
  }

  /// Whether this folder is `other`, or inside of it.
  package func isInside(_ other: FolderLineage) -> Bool {
    guard let name = other.names.first else { return false }
    return names.contains(name)
  }

  private static func name(_ system: [UInt8], _ status: FileStatus) -> String {
    var hasher = FileHasher(.sha256)
    (system + Array(" \(status.device) \(status.inode)".utf8)).withUnsafeBytes { hasher.update($0) }
    return String(hasher.digest.prefix(nameLength))
  }

  /// What tells this running system from all others: proc(5), random(4).
  private static let system: [UInt8]? = {
    let descriptor = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    let bytes = [UInt8](unsafeUninitializedCapacity: 64) { buffer, count in
      count = max(0, read(descriptor, buffer.baseAddress, buffer.count))
    }
    return bytes.isEmpty ? nil : bytes
  }()
}
