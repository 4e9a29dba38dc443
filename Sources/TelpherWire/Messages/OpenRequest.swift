/// What a client asks for when it opens a stream: the payload of OPEN (docs/PROTOCOL.md, "Streams").
public enum OpenRequest: Sendable, Equatable {
  /// Run a command.
  case run(RunRequest)
  /// Tell about the server.
  case info

  /// Reads the payload of an OPEN.
  ///
  /// - Throws: `WireError` with a message for the client; only this stream is refused.
  public static func decode(_ bytes: [UInt8]) throws(WireError) -> OpenRequest {
    let message = try JSONCoding.decode(OpenMessage.self, from: bytes, name: "OPEN")
    switch message.op {
    case "run": return .run(try message.run.validated())
    case "info": return .info
    default:
      throw WireError(
        .protocolError, "OPEN: there is no operation '\(message.op)'; this server knows run, info")
    }
  }

  /// The request as the payload of its frame.
  ///
  /// - Throws: `WireError` (`frameTooLarge`) where it is longer than an OPEN may be.
  public func encoded() throws(WireError) -> [UInt8] {
    let bytes =
      switch self {
      case .run(let request): JSONCoding.encode(OpenMessage(op: "run", run: request))
      case .info: JSONCoding.encode(OpenMessage(op: "info", run: RunRequest()))
      }
    guard bytes.count <= WireConstants.maxOpenLength else {
      throw WireError(
        .frameTooLarge,
        "the command with its environment takes \(bytes.count) bytes; at most \(WireConstants.maxOpenLength) can be sent: pass long input through standard input instead"
      )
    }
    return bytes
  }
}

/// The JSON of an OPEN: the operation's name beside the operation's own keys.
private struct OpenMessage: WireMessage {
  var op: String
  var must: [String]?
  var run: RunRequest

  init(op: String, run: RunRequest) {
    self.op = op
    self.run = run
  }

  enum CodingKeys: String, CodingKey, CaseIterable { case op, must }
  static let knownKeys = Set(CodingKeys.allCases.map(\.rawValue)).union(RunRequest.knownKeys)

  init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    op = try container.decode(String.self, forKey: .op)
    must = try container.decodeIfPresent([String].self, forKey: .must)
    run = op == "run" ? try RunRequest(from: decoder) : RunRequest()
  }

  func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(op, forKey: .op)
    if op == "run" { try run.encode(to: encoder) }
  }
}
