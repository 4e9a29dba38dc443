internal import TelpherFileStore
internal import TelpherTransport

/// A file that is being uploaded. It is hidden beside its destination until all of it is written,
/// checked, and on the disk. Its calls block.
///
/// `@unchecked Sendable`: callers make one call at a time, on any thread, and wait for each.
final class UploadedFile: @unchecked Sendable {
  private let folder: Folder
  private let name: [UInt8]
  /// The name that the hidden file gets first, if not `name`.
  private let detour: [UInt8]?
  private let partial: Partial
  private let overwrites: Bool
  private var hasher = FileHasher(.md5)

  /// The permissions of an uploaded file: its owner may write it, everyone may read it.
  private static let mode: UInt32 = 0o644

  /// - Parameter overwrites: whether the file may replace an existing one, and may have a name that
  ///   begins with a dot.
  /// - Throws: `ClassicError` if the name is not valid or not allowed, or the file cannot be
  ///   created.
  init(_ name: String, in folder: Folder, overwrites: Bool) throws(ClassicError) {
    let bytes = Array(name.utf8)
    if !overwrites {
      guard bytes.first != UInt8(ascii: ".") else {
        throw ClassicError(
          .violation, "only a server with --overwrite stores names that begin with a dot")
      }
    }
    // `commit` checks again, since a file may appear in the meantime.
    switch (try? folder.status(of: bytes))?.kind {
    case .other(let what):
      throw ClassicError(.violation, "\(what) has that name, and only files are replaced")
    case .file, .folder, .link: if !overwrites { throw Self.exists }
    case nil: break
    }
    guard !Partial.isPartial(bytes) else {
      throw ClassicError(.violation, "the name is reserved for partial files")
    }
    self.folder = folder
    self.overwrites = overwrites
    self.name = bytes
    (partial, detour) = try Self.open(bytes, in: folder)
  }

  private static let exists = ClassicError(
    .violation, "a file of that name exists; only a server with --overwrite replaces it")

  private static func open(
    _ name: [UInt8], in folder: Folder
  ) throws(ClassicError) -> (Partial, detour: [UInt8]?) {
    do throws(FileError) {
      return (try Partial.open(for: name, in: folder, keeping: false), nil)
    } catch {
      // A name has room for a few transfers at once, which clients that send nothing more may
      // occupy.
      guard error.code == .busy else { throw ClassicError(error) }
    }
    do throws(FileError) {
      let detour = Array(".upload-\(UInt64.random(in: 0 ... .max))".utf8)
      return (try Partial.open(for: detour, in: folder, keeping: false), detour)
    } catch {
      throw ClassicError(error)
    }
  }

  /// Appends `chunk`.
  func write(_ chunk: Chunk) throws(ClassicError) {
    do throws(FileError) {
      try chunk.withUnsafeBytes { (bytes) throws(FileError) in
        hasher.update(bytes)
        try partial.write(bytes)
      }
    } catch {
      throw ClassicError(error)
    }
  }

  /// Gives the file its name, after its bytes are on the disk.
  ///
  /// - Throws: `ClassicError`: `damaged` if the MD5 of the bytes is not `md5`, `violation` if a
  ///   file of that name exists and may not be replaced, `system` if a file operation fails.
  func commit(md5: MD5Field) throws(ClassicError) {
    if case .digits(let md5) = md5, md5 != hasher.digest {
      throw ClassicError(
        .damaged,
        "the received bytes have the md5 \(hasher.digest), not \(md5.debugDescription)")
    }
    do throws(FileError) {
      try partial.finish(mode: Self.mode, modifiedNS: nil)
      try partial.sync()
      try partial.commit(replacing: overwrites)
      if let detour { try moveAway(detour) }
      try folder.sync()
    } catch {
      throw error.code == .exists ? Self.exists : ClassicError(error)
    }
  }

  private func moveAway(_ detour: [UInt8]) throws(FileError) {
    do {
      try folder.rename(detour, to: folder, name, replacing: overwrites)
    } catch {
      try? folder.remove(detour, isFolder: false)
      throw error
    }
  }

  /// Removes the hidden file.
  func discard() { partial.discard() }
}
