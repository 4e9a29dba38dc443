internal import Glibc
internal import TelpherClient
internal import TelpherWire

/// The JSON object of `run --json`: the server's result and the output. `--status-fd` gets the same
/// object without the output.
struct RunReport: Encodable {
  /// The result of the command, or why there is none.
  let outcome: Result<CommandResult, Failure>
  /// The standard output; nil if it was not kept.
  var output: [UInt8]?
  /// The standard error; nil if it was not kept.
  var error: [UInt8]?
  /// The exit status of this process.
  let status: Int32

  private enum CodingKeys: String, CodingKey {
    case result, message, stdout, stderr, status, cause
    case statusFrom = "status_from"
    case stdoutBase64 = "stdout_base64"
    case stderrBase64 = "stderr_base64"
  }

  func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    switch outcome {
    case .success(let result):
      try result.details.encode(to: encoder)
      try container.encode(result.cause.description, forKey: .cause)
    case .failure(let failure):
      try container.encode(failure.kind, forKey: .result)
      try container.encode(failure.message, forKey: .message)
    }
    try container.encode(status, forKey: .status)
    try container.encode(isStatusOfCommand ? "command" : "telpher", forKey: .statusFrom)
    if let output { try encode(output, .stdout, .stdoutBase64, into: &container) }
    if let error { try encode(error, .stderr, .stderrBase64, into: &container) }
  }

  /// Whether the exit status comes from the command and not from Telpher.
  private var isStatusOfCommand: Bool {
    guard case .success(let result) = outcome else { return false }
    return switch result.status {
    case .exited, .signaled: true
    case .timedOut, .canceled, .notStarted, .detached: false
    }
  }

  private func encode(
    _ bytes: [UInt8], _ text: CodingKeys, _ base64: CodingKeys,
    into container: inout KeyedEncodingContainer<CodingKeys>
  ) throws {
    if let string = String(validating: bytes, as: UTF8.self) {
      try container.encode(string, forKey: text)
    } else {
      try container.encode(JSONText.base64(bytes), forKey: base64)
    }
  }
}

/// The inherited descriptor of `--status-fd`, to which the result object is written.
struct StatusFile: Sendable {
  private let descriptor: Descriptor

  /// Checks the descriptor.
  ///
  /// - Throws: `Failure` if `number` is not open for writing.
  init(_ number: Int32) throws(Failure) {
    let flags = fcntl(number, F_GETFL)
    guard flags >= 0, flags & O_ACCMODE != O_RDONLY else {
      throw Failure(
        "descriptor \(number) is not open for writing; open it in the shell with \(number)>FILE")
    }
    // A temporary server must not inherit the descriptor: its reader would wait for the server's
    // end. The standard streams are replaced in the server anyway.
    if number > STDERR_FILENO { _ = fcntl(number, F_SETFD, FD_CLOEXEC) }
    descriptor = Descriptor(number: number, name: "descriptor \(number)")
  }

  /// Writes `report` as one line.
  ///
  /// - Throws: `Failure` if it can't be written.
  func write(_ report: RunReport) throws(Failure) {
    try JSONText.print(report, to: descriptor)
  }
}
