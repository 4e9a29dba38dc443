/// A client's request that opens a stream: the payload of OPEN (docs/PROTOCOL.md,
/// "Streams").
package enum OpenRequest: Sendable, Equatable {
  /// Run a command.
  case run(RunRequest)
  /// Do something with files.
  case file(FileRequest)
  /// Do something with sockets.
  case socket(SocketRequest)
  /// List the running commands, or send a signal to one.
  case commands(CommandsRequest)
  /// Do something with durable jobs.
  case job(JobRequest)
  /// Report about the server.
  case info

  /// Decodes the payload of an OPEN.
  ///
  /// - Throws: `WireError` with a message for the client. Only this stream is refused; the
  ///   connection continues.
  package static func decode(_ bytes: [UInt8]) throws(WireError) -> OpenRequest {
    let message = try JSONCoding.decode(OpenMessage.self, from: bytes, name: "OPEN")
    switch message.op {
    case "run": return .run(try message.run.validated())
    case "info": return .info
    default:
      if let commands = message.commands { return .commands(try commands.validated()) }
      if let socket = message.socket { return .socket(try socket.validated()) }
      if let job = message.job { return .job(try job.validated()) }
      guard let file = message.file else {
        let names =
          ["run", "info"] + CommandsRequest.Operation.allCases.map(\.rawValue)
          + FileRequest.Operation.allCases.map(\.rawValue)
          + SocketRequest.Operation.allCases.map(\.rawValue)
          + JobRequest.Operation.allCases.map(\.rawValue)
        throw WireError(
          .protocolError,
          "OPEN: there is no operation '\(message.op)', only \(names.joined(separator: ", "))")
      }
      return .file(try file.validated())
    }
  }

  /// The payload of the frame as JSON.
  ///
  /// - Throws: `WireError` (`frameTooLarge`) if it is longer than `WireConstants.maxOpenLength`.
  package func encoded() throws(WireError) -> [UInt8] {
    let bytes =
      switch self {
      case .run(let request): JSONCoding.encode(OpenMessage(op: "run", run: request))
      case .file(let request):
        JSONCoding.encode(OpenMessage(op: request.operation.rawValue, file: request))
      case .socket(let request):
        JSONCoding.encode(OpenMessage(op: request.operation.rawValue, socket: request))
      case .commands(let request):
        JSONCoding.encode(OpenMessage(op: request.operation.rawValue, commands: request))
      case .job(let request):
        JSONCoding.encode(OpenMessage(op: request.operation.rawValue, job: request))
      case .info: JSONCoding.encode(OpenMessage(op: "info"))
      }
    guard bytes.count <= WireConstants.maxOpenLength else {
      throw WireError(
        .frameTooLarge,
        "the arguments and the environment of the command take \(bytes.count) bytes; at most \(WireConstants.maxOpenLength) can be sent: pass long input through standard input instead"
      )
    }
    return bytes
  }
}

/// The JSON of an OPEN: the name of the operation and the operation's own keys in one object.
private struct OpenMessage: WireMessage {
  var op: String
  var must: [String]?
  var run: RunRequest
  var file: FileRequest?
  var socket: SocketRequest?
  var commands: CommandsRequest?
  var job: JobRequest?

  init(
    op: String, run: RunRequest = RunRequest(), file: FileRequest? = nil,
    socket: SocketRequest? = nil, commands: CommandsRequest? = nil, job: JobRequest? = nil
  ) {
    self.op = op
    // An older server would run something else: with pipes, by another shell, or a command that
    // ends with its connection.
    let keys: [RunRequest.CodingKeys?] = [
      run.terminal == nil ? nil : .terminal, run.login == true ? .login : nil,
      run.detach == true ? .detach : nil, run.journal == nil ? nil : .journal,
      run.name == nil ? nil : .name, run.claim == nil ? nil : .claim,
    ]
    var needed = keys.compactMap(\.?.rawValue)
    // An older server would list other commands.
    if commands?.jobs == true { needed.append(CommandsRequest.CodingKeys.jobs.rawValue) }
    must = needed.isEmpty ? nil : needed
    self.run = run
    self.file = file
    self.socket = socket
    self.commands = commands
    self.job = job
  }

  enum CodingKeys: String, CodingKey, CaseIterable { case op, must }
  static let knownKeys = Set(CodingKeys.allCases.map(\.rawValue))
    .union(RunRequest.knownKeys).union(FileRequest.knownKeys).union(SocketRequest.knownKeys)
    .union(CommandsRequest.knownKeys).union(JobRequest.knownKeys)

  init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    op = try container.decode(String.self, forKey: .op)
    must = try container.decodeIfPresent([String].self, forKey: .must)
    run = op == "run" ? try RunRequest(from: decoder) : RunRequest()
    if let operation = FileRequest.Operation(rawValue: op) {
      file = try FileRequest(from: decoder)
      file?.operation = operation
    }
    if let operation = SocketRequest.Operation(rawValue: op) {
      socket = try SocketRequest(from: decoder)
      socket?.operation = operation
    }
    if let operation = CommandsRequest.Operation(rawValue: op) {
      commands = try CommandsRequest(from: decoder)
      commands?.operation = operation
    }
    if let operation = JobRequest.Operation(rawValue: op) {
      job = try JobRequest(from: decoder)
      job?.operation = operation
    }
  }

  func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(op, forKey: .op)
    try container.encodeIfPresent(must, forKey: .must)
    if op == "run" { try run.encode(to: encoder) }
    try file?.encode(to: encoder)
    try socket?.encode(to: encoder)
    try commands?.encode(to: encoder)
    try job?.encode(to: encoder)
  }
}
