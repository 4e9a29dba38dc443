import Glibc
import TelpherFileStore
import TelpherTestSupport
import Testing

/// The transfer of the fault sweep: its source, its destination and the checks after it.
struct FaultSubject {
  /// The kinds of transfers.
  enum Transfer: String, CaseIterable, Sendable {
    case put
    case putStream = "put -"
    case putTree = "put -r"
    case get
    case getTree = "get -r"

    var isTree: Bool { self == .putTree || self == .getTree }
    /// Whether the server is the receiver.
    var isPut: Bool { self == .put || self == .putStream || self == .putTree }
  }

  let transfer: Transfer
  let files: FileServer
  /// The name of the source.
  var name: String { transfer.isTree ? "tree" : "file" }
  var source: String { transfer.isPut ? files.local : files.root }
  /// The destination folder, as the program is given it.
  var folder: String { transfer.isPut ? "into" : "local" }
  var destination: String { transfer.isPut ? files.root + "/into" : files.local }

  /// Creates the source.
  func makeSource() throws {
    guard transfer.isTree else { return write(source + "/file", 1, 300_000, at: 1_000) }
    let tree = source + "/tree"
    for folder in ["", "/there", "/new", "/new/deep"] { mkdir(tree + folder, 0o755) }
    write(tree + "/large", 1, 200_000, at: 1_000)
    write(tree + "/there/changed", 2, 5_000, at: 2_000)
    write(tree + "/there/large", 3, 100_000, at: 3_000)
    write(tree + "/there/same", 4, 4_000, at: 4_000)
    write(tree + "/new/one", 5, 10, at: 5_000)
    write(tree + "/new/empty", 6, 0, at: 6_000)
    write(tree + "/new/deep/two", 7, 70_000, at: 7_000)
    symlink("there/same", tree + "/link")
    setTime(tree + "/link", 8_000)
    for folder in ["/new/deep", "/new", "/there", ""] { setTime(tree + folder, 9_000) }
    chmod(tree + "/new", 0o750)
  }

  /// Creates the destination as it is before a transfer, with older versions of some entries.
  func makeDestination() throws {
    mkdir(destination, 0o755)
    try? Root(destination).remove(try RelativePath(name), recursively: true)
    for name in try Root(destination).folder(.root).names() {
      unlink(destination + "/" + String(decoding: name, as: UTF8.self))
    }
    guard transfer.isTree else { return write(destination + "/file", 11, 700, at: 100) }
    let tree = destination + "/tree"
    for folder in ["", "/there"] { mkdir(tree + folder, 0o755) }
    write(tree + "/there/changed", 12, 500, at: 200)
    write(tree + "/there/large", 13, 90_000, at: 300)
    write(tree + "/there/same", 4, 4_000, at: 4_000)
    symlink("nowhere", tree + "/link")
  }

  private func write(_ path: String, _ seed: Int, _ count: Int, at seconds: Int) {
    files.write(path, noise(count, seed: seed))
    setTime(path, seconds)
  }

  private func setTime(_ path: String, _ seconds: Int) {
    let time = timespec(tv_sec: seconds, tv_nsec: 5)
    utimensat(AT_FDCWD, path, [time, time], AT_SYMLINK_NOFOLLOW)
  }

  /// The entries of a folder by path, with all properties that a transfer keeps; partial files too.
  private func contents(of folder: String) throws -> [String: String] {
    var found: [String: String] = [:]
    var folders: [RelativePath] = [.root]
    let root = try Root(folder)
    while let path = folders.popLast() {
      let folder = try root.folder(path)
      for name in try folder.names() {
        let status = try #require(try folder.status(of: name))
        let entry = try path.appending(name)
        var text = "\(status.kind)"
        switch status.kind {
        case .file:
          let bytes = files.read("\(root.path)/\(entry)") ?? []
          var hasher = FileHasher(.xxh128)
          bytes.withUnsafeBytes { hasher.update($0) }
          text += " \(status.size) \(hasher.digest) \(status.mode) \(status.modifiedNS)"
        case .folder:
          text += " \(status.mode) \(status.modifiedNS)"
          folders.append(entry)
        case .link: text += " \(try folder.linkTarget(of: name)) \(status.modifiedNS)"
        case .other: break
        }
        found["\(entry)"] = text
      }
    }
    return found
  }

  /// The kind, size and digest of a file or link.
  private func bytes(_ text: String) -> String {
    text.hasPrefix("file") ? text.split(separator: " ").prefix(3).joined(separator: " ") : text
  }

  /// Compares the destination with the source and with its own contents before the transfer.
  ///
  /// - Parameter before: the result of `snapshot()` before the transfer.
  /// - Returns: whether the destination is the same as the source.
  func check(before: [String: String], mayLeavePartials: Bool, _ what: String) throws -> Bool {
    let (wanted, found) = (try contents(of: source), try contents(of: destination))
    for (path, text) in found where !path.contains(".telpher.") {
      let isWhole =
        !text.hasPrefix("file")
        || [wanted[path], before[path]].contains { $0.map(bytes) == bytes(text) }
      #expect(isWhole, "\(what): '\(path)' is neither the old file nor the new one")
    }
    for path in before.keys { #expect(found[path] != nil, "\(what): '\(path)' is gone") }
    let partials = found.keys.filter { $0.contains(".telpher.") }
    #expect(partials.isEmpty || mayLeavePartials, "\(what): \(partials) was left")
    let copies = found.filter { !$0.key.contains(".telpher.") }
    // Standard input has no mode and no time.
    if transfer == .putStream { return copies.mapValues(bytes) == wanted.mapValues(bytes) }
    return copies == wanted
  }

  /// The entries of the destination.
  func snapshot() throws -> [String: String] { try contents(of: destination) }
}
