internal import Glibc
internal import TelpherClient
internal import TelpherTransport

/// What the client that starts a relay sends to its process.
struct RelaySettings: Codable {
  /// The server's address.
  var address: String
  /// The path of the socket to listen at.
  var socket: String
  /// The file with the server's token.
  var tokenFile: String
  /// The value of `--connect-timeout` in milliseconds; nil for the default.
  var timeoutMS: Int64?
  /// How long the relay lives after its last use, in milliseconds.
  var keepMS: Int64
  /// Whether telpher may be copied to the place, if a program carries the connection.
  var install: InstallPolicy
  /// Whether that program may ask on the terminal.
  var asks: Bool
  /// How to reach the server with TLS; nil if its address is of another kind.
  var tls: TLSSettings?
  /// The environment for the program that carries the connection, such as ssh. The relay's own
  /// environment is nearly empty.
  var environment: ByteVariables
}

/// What a relay's process answers. The same socket is then its first client's connection.
struct RelayOutcome: Codable {
  /// The code of the `ClientError` that ended the attempt to connect; nil after success.
  var code: String?
  /// The error's message.
  var message = ""
  /// The signal, if one has ended the attempt.
  var signal: Int32?

  /// The relay has failed, not the connection to the server.
  struct OwnFailure: Error {}

  /// The code of an `OwnFailure`.
  static let ownFailure = "relay failed"

  /// Why the attempt to connect has ended; nil after success.
  var error: (any Error)? {
    if let signal { return ClientError(interruptedBy: signal) }
    guard let code else { return nil }
    return code == Self.ownFailure
      ? OwnFailure() : ClientError(ClientError.Code(description: code), message)
  }
}

/// The socket between a client and the relay's process that it has started, with blocking calls.
/// Each message is its length (u32 in network byte order) and JSON.
struct RelayChannel {
  let descriptor: Int32

  /// The longest message in bytes: more than an environment that Linux allows.
  private static let longest = 64 << 20

  /// Sends `value`.
  ///
  /// - Returns: whether the other side has taken it.
  func send(_ value: some Encodable) -> Bool {
    guard let payload = try? JSONText.bytes(of: value) else { return false }
    let length = withUnsafeBytes(of: UInt32(payload.count).bigEndian) { Array($0) }
    let bytes = length + payload
    var sent = 0
    while sent < bytes.count {
      let count = bytes.withUnsafeBytes {
        Glibc.send(
          descriptor, $0.baseAddress! + sent, bytes.count - sent, Int32(MSG_NOSIGNAL))
      }
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { return false }
      sent += count
    }
    return true
  }

  /// Ends the conversation: `receive` of both sides then returns nil.
  func breakOff() { shutdown(descriptor, Int32(SHUT_RDWR)) }

  /// Receives a value; nil if the other side has ended or sends something else.
  func receive<Value: Decodable>(_ type: Value.Type) -> Value? {
    guard let length = read(4) else { return nil }
    let count = length.reduce(0) { $0 << 8 | Int($1) }
    guard count <= Self.longest, let payload = read(count) else { return nil }
    return try? JSONText.value(type, in: payload)
  }

  private func read(_ count: Int) -> [UInt8]? {
    var bytes = [UInt8](repeating: 0, count: count)
    var received = 0
    while received < count {
      let part = bytes.withUnsafeMutableBytes {
        Glibc.read(descriptor, $0.baseAddress! + received, count - received)
      }
      if part < 0, errno == EINTR { continue }
      guard part > 0 else { return nil }
      received += part
    }
    return bytes
  }
}

/// Variables as JSON, whose strings can't hold bytes that are not UTF-8: each entry is `NAME=VALUE`
/// with one character, U+0000 to U+00FF, for each byte.
struct ByteVariables: Codable {
  private let entries: [String]

  init(_ variables: [SystemString: SystemString]) {
    entries = variables.map { name, value in
      String(
        String.UnicodeScalarView(
          (name.bytes + [UInt8(ascii: "=")] + value.bytes).map { Unicode.Scalar($0) }))
    }
  }

  /// The variables; entries that `init(_:)` did not make are left out.
  var variables: [SystemString: SystemString] {
    var variables: [SystemString: SystemString] = [:]
    for entry in entries {
      let bytes = entry.unicodeScalars.compactMap { UInt8(exactly: $0.value) }
      guard let equals = bytes.firstIndex(of: UInt8(ascii: "=")) else { continue }
      variables[SystemString(Array(bytes[..<equals]))] =
        SystemString(Array(bytes[(equals + 1)...]))
    }
    return variables
  }
}
