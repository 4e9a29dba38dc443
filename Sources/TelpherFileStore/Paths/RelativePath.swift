internal import Glibc
internal import TelpherText

/// A path below a root. A component may have any bytes except NUL and `/`, and is never `.` or
/// `..`.
package struct RelativePath: Sendable, Hashable {
  /// The maximum length of a path in bytes. The kernel's PATH_MAX of 4,096 includes the final NUL.
  package static let maximumLength = 4095
  /// The maximum length of a component in bytes: NAME_MAX.
  package static let maximumNameLength = 255
  /// The root itself.
  package static let root = RelativePath(unchecked: [])

  /// The components joined by `/`; empty for the root.
  package let bytes: [UInt8]
  /// What was written before the path, with a slash at its end: `/`, or where the root is; empty if
  /// nothing was. Only messages and listings use this. It affects neither resolution nor equality.
  private var start: [UInt8] = []

  /// The path as it was written.
  package var written: [UInt8] {
    if start.isEmpty { return bytes }
    // The root itself is written without a slash, unless that is all.
    if bytes.isEmpty, start.count > 1 { return start.dropLast() }
    return start + bytes
  }

  /// Returns the same path as written with a leading `/`, or without.
  func written(fromSlash: Bool) -> RelativePath { written(after: fromSlash ? Self.slashOnly : []) }

  /// Returns the same path as written after `start`, which ends in a slash or is empty.
  func written(after start: [UInt8]) -> RelativePath {
    var path = self
    path.start = start
    return path
  }

  private static let slashOnly = [slash]

  /// Whether both paths have the same components.
  package static func == (one: RelativePath, other: RelativePath) -> Bool {
    one.bytes == other.bytes
  }

  /// Hashes the components.
  package func hash(into hasher: inout Hasher) { hasher.combine(bytes) }

  /// Parses a path from a user or a peer. Drops `.` components, repeated slashes and trailing
  /// slashes.
  ///
  /// - Throws: `FileError.Code.badPath` if the path is absolute, has a `..` component, has a NUL,
  ///   or is longer than the limits; the message gives the reason.
  package init(_ bytes: [UInt8]) throws(FileError) {
    if bytes.count > Self.maximumLength {
      throw Self.refusal(bytes, "it is longer than \(Self.maximumLength) bytes")
    }
    if bytes.first == Self.slash {
      throw Self.refusal(bytes, "it is absolute: leave out the '/' at its start")
    }
    if bytes.contains(0) { throw Self.refusal(bytes, "it has a NUL byte") }
    var joined: [UInt8] = []
    joined.reserveCapacity(bytes.count)
    for component in ByteFields(bytes, separator: Self.slash)
    where !component.elementsEqual(".".utf8) {
      if component.elementsEqual("..".utf8) { throw Self.refusal(bytes, "it has a component '..'") }
      if component.count > Self.maximumNameLength {
        throw Self.refusal(bytes, "a component has more than \(Self.maximumNameLength) bytes")
      }
      if !joined.isEmpty { joined.append(Self.slash) }
      joined += component
    }
    self.bytes = joined
  }

  /// Parses a path in UTF-8.
  ///
  /// - Throws: as `init(_: [UInt8])`.
  package init(_ text: String) throws(FileError) { try self.init(Array(text.utf8)) }

  /// A path that is known to follow the rules, or one that is too long and only shown in a message.
  package init(unchecked bytes: [UInt8]) { self.bytes = bytes }

  /// Whether this is the root itself.
  package var isRoot: Bool { bytes.isEmpty }

  /// The last component; empty for the root.
  package var name: [UInt8] {
    guard let slash = bytes.lastIndex(of: Self.slash) else { return bytes }
    return Array(bytes[(slash + 1)...])
  }

  /// The path without its last component. The root's parent is the root.
  package var parent: RelativePath {
    let end = bytes.lastIndex(of: Self.slash) ?? 0
    return RelativePath(unchecked: Array(bytes[..<end])).written(after: start)
  }

  /// Whether this path is a direct child of `folder`.
  package func isDirectly(in folder: RelativePath) -> Bool {
    if folder.isRoot { return !bytes.contains(Self.slash) }
    let end = folder.bytes.count
    guard bytes.count > end, bytes[end] == Self.slash else { return false }
    // Clients send long paths by the thousand.
    return bytes.withUnsafeBytes { own in
      folder.bytes.withUnsafeBytes { other in
        guard let own = own.baseAddress, let other = other.baseAddress else { return false }
        return memcmp(own, other, end) == 0
          && memchr(own + end + 1, Int32(Self.slash), bytes.count - end - 1) == nil
      }
    }
  }

  /// Returns the path of `name` in this folder.
  ///
  /// - Throws: `FileError.Code.badPath` if `name` is not a single component, or the result is too
  ///   long.
  package func appending(_ name: [UInt8]) throws(FileError) -> RelativePath {
    let path = appending(unchecked: name)
    try Self.checkName(name, path)
    if path.bytes.count > Self.maximumLength {
      throw Self.refusal(path.bytes, "it is longer than \(Self.maximumLength) bytes")
    }
    return path
  }

  /// Returns the path of `name` in this folder without checking it. For names from the system, for
  /// messages, and after the length was checked.
  package func appending(unchecked name: [UInt8]) -> RelativePath {
    if isRoot { return RelativePath(unchecked: name).written(after: start) }
    var bytes = [UInt8]()
    bytes.reserveCapacity(self.bytes.count + 1 + name.count)
    bytes += self.bytes
    bytes.append(Self.slash)
    bytes += name
    return RelativePath(unchecked: bytes).written(after: start)
  }

  /// Returns the path of `other` relative to this folder.
  ///
  /// - Throws: `FileError.Code.badPath` if the result is too long.
  package func appending(_ other: RelativePath) throws(FileError) -> RelativePath {
    if other.isRoot { return self }
    let path = appending(unchecked: other.bytes)
    if path.bytes.count > Self.maximumLength {
      throw Self.refusal(path.bytes, "it is longer than \(Self.maximumLength) bytes")
    }
    return path
  }

  /// Checks that `name` is a single valid component.
  ///
  /// - Parameter path: the whole path, for the message.
  /// - Throws: `FileError.Code.badPath` if it is not.
  static func checkName(
    _ name: [UInt8], _ path: @autoclosure () -> RelativePath
  ) throws(FileError) {
    let reason: String
    if name.isEmpty {
      reason = "it has no name"
    } else if name.elementsEqual(".".utf8) || name.elementsEqual("..".utf8) {
      reason = "'.' and '..' are not allowed as names"
    } else if name.count > maximumNameLength {
      reason = "a component has more than \(maximumNameLength) bytes"
    } else if name.contains(0) {
      reason = "it has a NUL byte"
    } else if name.contains(slash) {
      reason = "it is not a single component"
    } else {
      return
    }
    throw refusal(path().bytes, reason)
  }

  package static let slash = UInt8(ascii: "/")

  private static func refusal(_ bytes: [UInt8], _ reason: String) -> FileError {
    // Long paths are cut in the message.
    let shown = bytes.count > 400 ? Array(bytes.prefix(400)) + Array("...".utf8) : bytes
    let path = RelativePath(unchecked: shown).description
    return FileError(.badPath, "the path '\(path)' can't be used: \(reason)", path: path)
  }
}
