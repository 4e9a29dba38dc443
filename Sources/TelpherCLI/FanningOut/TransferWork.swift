internal import Glibc
internal import TelpherClient
internal import TelpherHosts

/// Copies files to each host, or from each host into a folder of its own.
struct TransferWork: HostWork {
  let direction: FileTransfer.Direction
  let sources: [PathText]
  let destination: PathText
  let isRecursive: Bool
  let printsRecords: Bool
  let names: [NodeName]
  let printer: FanOutPrinter
  /// What was copied, by host.
  let counts = Monitor<[Int: TreeCounts]>([:])

  func perform(_ host: Int, on connection: Connection) async throws -> HostState {
    let report: TransferReport
    do {
      switch direction {
      case .put:
        report = try await connection.put(sources, to: destination, recursively: isRecursive)
      case .get:
        report = try await connection.get(
          sources, to: try folder(of: names[host]), recursively: isRecursive)
      }
    } catch let error as FileError where error.code != .canceled && error.code != .protocolError {
      let line = TransferFailure(path: error.path ?? "", message: error.message).line
      return .done(HostResult(status: ExitStatus.filesFailed, text: line, isComplete: false))
    }
    counts.withLock { $0[host] = report.counts }
    if report.isComplete { return .done(HostResult(status: 0, text: "", isComplete: true)) }
    let failed = max(report.counts.failed, report.failures.count)
    if !printsRecords {
      for line in TransferOutcome.lines(of: report.failures, count: failed) {
        await printer.complain("\(names[host]): \(line)")
      }
    }
    return .done(
      HostResult(
        status: ExitStatus.filesFailed, text: "\(Amount.count(failed, "failure"))",
        isComplete: false))
  }

  func didSettle(_ host: Int, _ state: HostState) async {
    guard printsRecords else { return }
    let counts = counts.withLock { $0[host] }
    try? JSONText.print(TransferHostRecord(host: names[host].text, state: state, counts: counts))
  }

  /// What was copied from or to all hosts: `3 files, 12 kB`.
  var summary: String {
    let (files, bytes) = counts.withLock { counts in
      counts.values.reduce((0, Int64(0))) { ($0.0 + $1.files, $0.1 + $1.bytes) }
    }
    return "\(Amount.count(files, "file")), \(Amount.bytes(bytes))"
  }

  /// The folder for a host's files. It and the destination are made if they are missing.
  ///
  /// - Throws: `Failure`.
  private func folder(of name: NodeName) throws(Failure) -> PathText {
    let path = destination.bytes + Array("/\(Self.fileName(name.text))".utf8)
    for folder in [destination.bytes, path] {
      let name = (folder + [0]).map { CChar(bitPattern: $0) }
      guard mkdir(name, 0o777) == 0 || errno == EEXIST else {
        throw Failure("cannot make the folder \(PathText(folder)): \(describe(errno: errno))")
      }
    }
    return PathText(path)
  }

  /// The name of a host as the name of a file: `%`, `/` and a `.` at the beginning are written as
  /// `%25`, `%2F` and `%2E`.
  static func fileName(_ host: String) -> String {
    let text = host.replacing("%", with: "%25").replacing("/", with: "%2F")
    return text.hasPrefix(".") ? "%2E" + text.dropFirst() : text
  }
}

/// The JSON object of `--put` and `--get` for one host.
struct TransferHostRecord: Encodable {
  let host: String
  let state: HostState
  let counts: TreeCounts?

  private enum CodingKeys: String, CodingKey {
    case host, state, status, message, files, folders, links, skipped, failed, bytes
  }

  func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(host, forKey: .host)
    try container.encode(state.word, forKey: .state)
    switch state {
    case .done(let result):
      try container.encode(result.status, forKey: .status)
      if result.status != 0 { try container.encode(result.text, forKey: .message) }
    case .lost(let message), .unreachable(let message):
      try container.encode(ExitStatus.failure, forKey: .status)
      try container.encode(message, forKey: .message)
    case .canceled, .notStarted, .waiting, .connecting, .running: break
    }
    guard let counts else { return }
    try container.encode(counts.files, forKey: .files)
    try container.encode(counts.folders, forKey: .folders)
    try container.encode(counts.links, forKey: .links)
    try container.encode(counts.skipped, forKey: .skipped)
    try container.encode(counts.failed, forKey: .failed)
    try container.encode(counts.bytes, forKey: .bytes)
  }
}
