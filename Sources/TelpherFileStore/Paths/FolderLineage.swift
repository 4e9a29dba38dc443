internal import CTelpherSys
internal import Glibc

/// A folder and its ancestors up to `/`, as opaque names. Two names are equal if and only if they
/// stand for the same folder of the same running system. With them a client detects that a
/// destination is inside its source, although one is a local path and the other a server's path.
///
/// A name is a digest of the system's boot ID, the device number and the inode number, and reveals
/// nothing else.
package struct FolderLineage: Sendable, Equatable {
  /// The maximum number of names: the depth of the longest path. More would not fit into CLOSE.
  static let longest = RelativePath.maximumLength / 2
  /// The number of characters in a name.
  private static let nameLength = 16

  /// The name of the folder itself, then those of its ancestors, upward. Empty if the boot ID can't
  /// be read.
  package let names: [String]

  /// The lineage that a server sent.
  package init(names: [String]) { self.names = names }

  /// The lineage of a folder on this machine.
  ///
  /// - Throws: `FileError` if the status of the folder or an ancestor can't be read.
  package init(of root: Root, _ path: RelativePath) throws(FileError) {
    guard let system = Self.system else {
      names = []
      return
    }
    var folder = try root.look(at: path, follows: true)
    var names: [String] = []
    var last: FileStatus?
    while names.count < Self.longest {
      let status = try FileStatus(of: folder, "read the status of", path)
      if let last, last.inode == status.inode, last.device == status.device { break }
      last = status
      names.append(Self.name(system, status))
      let parent = telpher_open_folder_from(folder.number, "..")
      guard parent >= 0 else {
        // The parent can't be opened, so no path of this process leads through it.
        break
      }
      folder = Descriptor(owning: parent)
    }
    self.names = names
  }

  /// Whether this folder is `other` or is inside it.
  package func isInside(_ other: FolderLineage) -> Bool {
    guard let name = other.names.first else { return false }
    return names.contains(name)
  }

  private static func name(_ system: [UInt8], _ status: FileStatus) -> String {
    var hasher = FileHasher(.sha256)
    (system + Array(" \(status.device) \(status.inode)".utf8)).withUnsafeBytes { hasher.update($0) }
    return String(hasher.digest.prefix(nameLength))
  }

  /// The boot ID, which is unique for each running system (random(4)); nil if it can't be read.
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
