internal import CTelpherSys
internal import Glibc

extension Root {
  /// How often the file that a link leads to is looked for, if it is renamed each time meanwhile.
  private static let linkAttempts = 16

  /// The regular file that the symlink at `path` leads to, as a name in its own folder, so that another
  /// file can take its place in one step. From a confined root only a file inside is found.
  ///
  /// - Throws: `.notFound` where it leads to nothing; `.notAFile` where that is something else;
  ///   `.badPath` where it leads out of the root; `.busy`, `.notPermitted`.
  func fileLinked(at path: RelativePath) throws(FileError) -> (folder: Folder, name: [UInt8]) {
    let attempt = "write through the link"
    for _ in 0..<Self.linkAttempts {
      let descriptor: Descriptor
      do throws(FileError) {
        descriptor = try look(at: path, follows: true, for: attempt)
      } catch  where error.code == .notFound {
        throw FileError(.notFound, attempt, path, "it leads to nothing")
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
    throw FileError(.busy, attempt, path, "what it leads to is renamed all the time")
  }

  /// Where the kernel says that an open file is, and the root that this is below; nil where that is
  /// outside of a confined root. Whoever uses the path makes sure that the file is still there.
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

  private static func openPath(_ descriptor: Int32) -> [UInt8]? {
    Array("/proc/self/fd/\(descriptor)".utf8).withCPath { readLink(AT_FDCWD, $0) }
  }
}
