internal import TelpherClient
internal import TelpherWire

/// What `run --json` prints: all of the result that the server told, and the output.
struct RunReport: Encodable {
  /// How the command ended, or why that is not known.
  let outcome: Result<CommandResult, Failure>
  /// What came of standard output.
  let output: [UInt8]
  /// What came of standard error.
  let error: [UInt8]
  /// What this process ends with.
  let status: Int32

  private enum CodingKeys: String, CodingKey {
    case result, message, stdout, stderr, status
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
    try encode(output, .stdout, .stdoutBase64, into: &container)
    try encode(error, .stderr, .stderrBase64, into: &container)
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
