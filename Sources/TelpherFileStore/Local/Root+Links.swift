internal import CTelpherSys
internal import Glibc

extension Root {
  /// The number of attempts to find the target of a link, if it is renamed during each attempt.
  private static let linkAttempts = 16

  /// Returns the parent folder and the name of the regular file that the symlink at `path` leads
  /// to, so that the caller can replace that file atomically. In a confined root the file must be
  /// inside.
  ///
  /// - Throws: `.notFound` if the target does not exist; `.notAFile` if it is not a regular file;
  ///   `.badPath` if it is outside the root; `.busy` if it is renamed during all attempts;
  ///   `.notPermitted`.
  package func fileLinked(at path: RelativePath) throws(FileError) -> (
    folder: Folder, name: [UInt8]
  ) {
    let attempt = "write through the link"
    for _ in 0..<Self.linkAttempts {
      let descriptor: Descriptor
      do throws(FileError) {
        descriptor = try look(at: path, follows: true, for: attempt)
      } catch  where error.code == .notFound {
        throw FileError(.notFound, attempt, path, "its target does not exist")
      }
      let status = try FileStatus(of: descriptor, attempt, path)
      guard status.kind == .file else {
        throw FileError(
          .notAFile, attempt, path, "it leads to \(status.kind.description), not a regular file")
      }
      guard let (root, real) = try realPath(of: descriptor) else {
        throw FileError(.badPath, attempt, path, "it leads out of the root")
      }
      let folder = try root.folder(real.parent)
      if let found = try folder.status(of: real.name), found.device == status.device,
        found.inode == status.inode
      {
        return (folder, real.name)
      }
    }
    throw FileError(.busy, attempt, path, "its target is renamed again and again; try again later")
  }

  /// Returns the path of an open file, as the kernel reports it in /proc/self/fd, and the root that
  /// the path is below; nil if it is outside a confined root. The caller must check that the file
  /// is still at that path.
  private func realPath(
    of file: borrowing Descriptor
  ) throws(FileError) -> (root: Root, path: RelativePath)? {
    let slash = RelativePath.slash
    guard let real = Self.openPath(file.number), real.first == slash else { return nil }
    guard isConfined else {
      return (
        try Root(unconfined: [slash]),
        try RelativePath(Array(real.dropFirst())).written(fromSlash: true)
      )
    }
    guard var own = Self.openPath(descriptor.number) else { return nil }
    if own.last != slash { own.append(slash) }
    guard real.starts(with: own) else { return nil }
    return (self, try RelativePath(Array(real.dropFirst(own.count))))
  }

  /// The absolute path of an open file or folder; nil without proc(5).
  static func openPath(_ descriptor: Int32) -> [UInt8]? {
    Array("/proc/self/fd/\(descriptor)".utf8).withCPath { readLink(AT_FDCWD, $0) }
  }
}
