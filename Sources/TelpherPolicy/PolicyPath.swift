/// A path of a file: absolute, or relative to the home directory of the user that the server acts
/// as.
package struct PolicyPath: Sendable, Hashable {
  /// Whether it starts in the home.
  package let isFromHome: Bool
  /// Its names joined by slashes, without `.` and `..`; empty for the start itself.
  package let bytes: [UInt8]

  /// - Parameter bytes: names joined by slashes, none of which is `.` or `..`.
  package init(isFromHome: Bool, bytes: [UInt8]) {
    (self.isFromHome, self.bytes) = (isFromHome, bytes)
  }

  /// Reads the path of a folder in a policy: `/a/b`, `~` or `~/a`.
  ///
  /// - Returns: nil if it has another form, or a part `..`.
  package init?(_ text: String) {
    let isFromHome = text == "~" || text.hasPrefix("~/")
    guard isFromHome || text.hasPrefix("/") else { return nil }
    let names = text.dropFirst(isFromHome ? 1 : 0).split(separator: "/").filter { $0 != "." }
    guard !names.contains("..") else { return nil }
    self.init(isFromHome: isFromHome, bytes: Array(names.joined(separator: "/").utf8))
  }

  /// Whether all files that the user can reach are below it.
  package var isEverything: Bool { !isFromHome && bytes.isEmpty }

  /// Whether `path` is this folder or below it. A policy does not know where home directories are, so
  /// `/` is the only absolute folder that contains a path relative to one.
  package func contains(_ path: PolicyPath) -> Bool {
    if isEverything { return true }
    guard isFromHome == path.isFromHome else { return false }
    if bytes.isEmpty { return true }
    return path.bytes.starts(with: bytes)
      && (path.bytes.count == bytes.count || path.bytes[bytes.count] == UInt8(ascii: "/"))
  }

  /// The path as it is written.
  package var written: [UInt8] {
    guard isFromHome else { return [UInt8(ascii: "/")] + bytes }
    return Array((bytes.isEmpty ? "~" : "~/").utf8) + bytes
  }
}
