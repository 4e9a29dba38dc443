internal import TelpherClient
internal import TelpherWire

/// What `run --json` prints: all of the result that the server told, and the output. Without the
/// output, what goes to `--status-fd`.
struct RunReport: Encodable {
  /// How the command ended, or why that is not known.
  let outcome: Result<CommandResult, Failure>
  /// What came of standard output; nil if it was not kept.
  var output: [UInt8]?
  /// What came of standard error; nil if it was not kept.
  var error: [UInt8]?
  /// What this process ends with.
  let status: Int32

  private enum CodingKeys: String, CodingKey {
    case result, message, stdout, stderr, status
    case statusFrom = "status_from"
    case stdoutBase64 = "stdout_base64"
    case stderrBase64 = "stderr_base64"
  }

  func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    switch outcome {
    case .success(let result): try result.details.encode(to: encoder)
    case .failure(let failure):
      try container.encode(failure.kind, forKey: .result)
      try container.encode(failure.message, forKey: .message)
    }
    try container.encode(status, forKey: .status)
    try container.encode(isOfCommand ? "command" : "telpher", forKey: .statusFrom)
    if let output { try encode(output, .stdout, .stdoutBase64, into: &container) }
    if let error { try encode(error, .stderr, .stderrBase64, into: &container) }
  }

  /// Whether the status says how the command ended by itself, and not what Telpher has to say.
  private var isOfCommand: Bool {
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
