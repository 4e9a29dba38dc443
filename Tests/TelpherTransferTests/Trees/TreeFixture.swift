import Glibc
import TelpherFileStore
import TelpherTestSupport
import TelpherWire
import Testing

@testable import TelpherTransfer

/// A temporary source folder and destination folder, with helpers to transfer between them.
struct TreeFixture: Sendable {
  let source: String
  let destination: String

  static func with<R>(_ body: (TreeFixture) async throws -> R) async throws -> R {
    let folder = "/tmp/telpher-tree-\(UInt64.random(in: 0 ... .max))"
    let fixture = TreeFixture(source: folder + "/source", destination: folder + "/destination")
    for path in [folder, fixture.source, fixture.destination] { mkdir(path, 0o755) }
    let result: Result<R, any Error>
    do { result = .success(try await body(fixture)) } catch { result = .failure(error) }
    try? Root("/tmp").remove(
      try RelativePath(String(folder.dropFirst("/tmp/".count))), recursively: true)
    return try result.get()
  }

  /// Transfers the source folder into the destination folder.
  func transfer(
    _ options: TransferOptions = TransferOptions(), _ faults: PortPair.Faults = .init(),
    meter: TransferMeter? = nil, expecting: [UInt8]? = nil, onFile: FileReportHandler? = nil
  ) async throws -> Outcome {
    let (from, to) = (try Root(source), try Root(destination))
    var options = options.resolved(recursively: true)
    options.sendsUnasked = options.wantsEverything
    let pair = PortPair(faults)
    let (sent, received) = await pair.run { [options] (port) throws(FileError) in
      var sender = TreeSender(
        port: port, root: from, source: .root, name: Array("tree".utf8), options: options,
        meter: meter, onFile: onFile)
      try sender.run()
      return sender.failures
    } _: { [options] (port) throws(FileError) in
      var receiver = try TreeReceiver(
        port: port, root: to, base: .root, expecting: expecting.map { ExpectedNames($0) } ?? .any,
        options: options)
      try receiver.run()
      return (receiver.counts, receiver.failures)
    }
    return Outcome(sent: sent, received: received, sentBytes: pair.sentBytes)
  }

  struct Outcome: Sendable {
    var sent: Result<[TransferFailure], FileError>
    var received: Result<(TreeCounts, [TransferFailure]), FileError>
    var sentBytes: Int

    var counts: TreeCounts { get throws { try received.get().0 } }
    /// All failure messages of the receiver.
    var messages: [String] {
      switch received {
      case .success(let (_, failures)): failures.map(\.message)
      case .failure(let error): [error.message]
      }
    }
    var failures: [TransferFailure] { get throws { try received.get().1 } }
  }

  // MARK: Files

  func write(_ path: String, _ bytes: [UInt8], mode: mode_t = 0o644) {
    let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
    guard descriptor >= 0 else {
      Issue.record("cannot write \(path)")
      return
    }
    var position = 0
    while position < bytes.count {
      position += bytes.withUnsafeBytes {
        Glibc.write(descriptor, $0.baseAddress! + position, bytes.count - position)
      }
    }
    fchmod(descriptor, mode)
    close(descriptor)
  }

  static func read(_ path: String) -> [UInt8]? {
    let descriptor = open(path, O_RDONLY)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    var bytes: [UInt8] = []
    while true {
      let more = [UInt8](unsafeUninitializedCapacity: 1 << 20) { buffer, count in
        count = max(0, Glibc.read(descriptor, buffer.baseAddress, buffer.count))
      }
      if more.isEmpty { return bytes }
      bytes += more
    }
  }

  /// The entries below `path`, each with everything that a transfer preserves.
  static func listing(_ path: String, withTimes: Bool = true) throws -> [String] {
    let root = try Root(path)
    var walker = TreeWalker(root: root, start: .root)
    var lines: [String] = []
    while let step = walker.next() {
      switch step {
      case .entry(let found, let status, let link):
        if found.isRoot { continue }
        var line = "\(found) \(status.kind) \(String(status.mode, radix: 8))"
        if status.kind == .file {
          let bytes = try root.parent(of: found).openFile(found.name)
          var hasher = FileHasher(.sha256)
          try hasher.update(bytes, 0..<status.size)
          line += " \(status.size) \(hasher.digest)"
        }
        if withTimes { line += " \(status.modifiedNS)" }
        lines.append(line + (link.map { " -> \($0)" } ?? ""))
      case .leave: break
      case .failed(_, let error): throw error
      }
    }
    return lines
  }
}
