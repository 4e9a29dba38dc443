internal import TelpherFiles
internal import TelpherTransport

/// A file on its way into the folder: hidden beside its destination until it is whole, checked, and
/// on the storage. Its calls block.
///
/// `@unchecked Sendable`: one call is made at a time, each on whatever thread, and waited for.
final class UploadedFile: @unchecked Sendable {
  private let folder: Folder
  private let name: [UInt8]
  /// What the hidden file becomes first, where that isn't `name`.
  private let detour: [UInt8]?
  private let partial: Partial
  private let overwrites: Bool
  private var hasher = FileHasher(.md5)

  /// The permissions of an uploaded file: its owner writes it, all may read it.
  private static let mode: UInt32 = 0o644

  /// - Parameter overwrites: whether it may replace a file, and have a name that begins with a dot.
  /// - Throws: `ClassicError` where the name is none or not allowed, or the folder takes no files.
  init(_ name: String, in folder: Folder, overwrites: Bool) throws(ClassicError) {
    let bytes = Array(name.utf8)
    if !overwrites {
      guard bytes.first != UInt8(ascii: ".") else {
        throw ClassicError(
          .violation, "a name that begins with a dot is stored only by a server with --overwrite")
      }
      // What comes there meanwhile is not replaced either: see `commit`.
      if (try? folder.status(of: bytes)) != nil { throw Self.exists }
    }
    guard !Partial.isPartial(bytes) else {
      throw ClassicError(.violation, "that is the name of a file that is not whole yet")
    }
    self.folder = folder
    self.overwrites = overwrites
    self.name = bytes
    (partial, detour) = try Self.open(bytes, in: folder)
  }

  private static let exists = ClassicError(
    .violation, "it is there already, and is replaced only by a server with --overwrite")

  private static func open(
    _ name: [UInt8], in folder: Folder
  ) throws(ClassicError) -> (Partial, detour: [UInt8]?) {
    do throws(FileError) {
      return (try Partial.open(for: name, in: folder, keeping: false), nil)
    } catch {
      // A name has room for a few transfers at once, and silent clients may hold them all.
      guard error.code == .busy else { throw ClassicError(error) }
    }
    do throws(FileError) {
      let detour = Array(".upload-\(UInt64.random(in: 0 ... .max))".utf8)
      return (try Partial.open(for: detour, in: folder, keeping: false), detour)
    } catch {
      throw ClassicError(error)
    }
  }

  /// Writes `chunk` behind what there is.
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

  /// Gives the file its name, once it is on the storage; in the place of one that has it if it may.
  ///
  /// - Throws: `ClassicError`: `damaged` where the digest isn't `md5`, `violation` where a file is
  ///   there that it may not replace.
  func commit(md5: MD5Field) throws(ClassicError) {
    if case .digits(let md5) = md5, md5 != hasher.digest {
      throw ClassicError(
        .damaged,
        "the md5 of what came is \(hasher.digest), and \(md5.debugDescription) was announced")
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

  /// Removes what there is of it.
  func discard() { partial.discard() }
}
