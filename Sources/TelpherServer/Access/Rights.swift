internal import TelpherAccess
internal import TelpherFileStore
internal import TelpherKeys
internal import TelpherText
internal import TelpherTransport
internal import TelpherWire

/// Who a client is and what it may do.
struct Client: Sendable {
  /// Who it is.
  let identity: Identity
  /// What it may do.
  let rights: Rights
  /// The user in whose authorized_keys the client's key is; nil if that is the server's own file.
  var account: Account?

  /// The server's own user, who may do everything.
  static let owner = Client(identity: .owner, rights: .all)
}

/// What a client may ask for: the restrictions of its line in authorized_keys.
struct Rights: Sendable {
  /// The restrictions; nil if there are none.
  private let options: KeyOptions?

  /// No restrictions.
  static let all = Rights(nil)

  /// The rights of a key with these options.
  init(_ options: KeyOptions?) { self.options = options }

  /// The answer to a request that is not allowed.
  struct Refusal: Error {
    /// The reason, for the client.
    let message: String
  }

  /// The command that runs instead of any other one; nil if the client chooses.
  private var command: String? { options?.command }

  /// Whether the client may send signals to its commands. As with sshd, a client with a forced
  /// command may not: it could stop the command half-way.
  var allowsSignals: Bool { command == nil }

  /// A digest of the command that runs instead of any other one; nil if the client chooses.
  var forced: String? {
    command.map { command in
      var hasher = FileHasher(.sha256)
      Array(command.utf8).withUnsafeBytes { hasher.update($0) }
      return hasher.digest
    }
  }

  /// Whether its identity may have started commands that the client may send no input to.
  var restrictsInput: Bool { command != nil || options?.allowsTerminal == false }

  /// Checks that the client may send input to a command that its identity has started, perhaps when its
  /// key was less restricted.
  ///
  /// - Throws: `Refusal` if it may not.
  func checkInput(to terms: JobTerms) throws(Refusal) {
    guard command == nil || terms.forced == forced else {
      throw Refusal(
        message: "your key may send no input to this job: it only runs the server's command")
    }
    guard !terms.usesTerminal || options?.allowsTerminal != false else {
      throw Refusal(message: "your key may not use a terminal (no-pty in authorized_keys)")
    }
  }

  /// The request to carry out instead of `request`: itself, or with the forced command.
  ///
  /// - Throws: `Refusal` if the client may not ask for this.
  func admit(_ request: OpenRequest) throws(Refusal) -> OpenRequest {
    guard let options else { return request }
    switch request {
    case .info, .job: return request
    case .commands(let commands):
      guard allowsSignals || commands.signal == nil else {
        throw Refusal(message: "your key may not send signals: the server chooses its command")
      }
      return request
    case .file:
      guard command == nil else {
        throw Refusal(message: "your key may not use files: it only runs the server's command")
      }
      return request
    case .socket(let socket):
      try check(socket, options)
      return request
    case .run(let run):
      guard run.terminal == nil || options.allowsTerminal else {
        throw Refusal(message: "your key may not use a terminal (no-pty in authorized_keys)")
      }
      return .run(try command.map { command throws(Refusal) in try run.forced(command) } ?? run)
    }
  }

  private func check(_ request: SocketRequest, _ options: KeyOptions) throws(Refusal) {
    guard options.allowsForwarding else {
      throw Refusal(
        message: "your key may not forward connections (no-port-forwarding in authorized_keys)")
    }
    // A malformed address is refused later. `accept` has no address; its listener was checked.
    guard let address = try? StreamTarget(parsing: request.address ?? "") else { return }
    switch request.operation {
    case .accept: break
    case .connect, .check:
      guard let rules = options.opens else { return }
      if case .socket(.tcp(let host, let port)) = address,
        rules.contains(where: { $0.allowsOpen(host, port) })
      {
        return
      }
      throw Refusal(
        message: "your key may not connect to \(address) (permitopen in authorized_keys)")
    case .listen:
      guard options.listens != nil || command != nil else { return }
      // By default sshd lets no key listen at other addresses (GatewayPorts no).
      if case .socket(.tcp(let host, let port)) = address, Host.isLoopback(host),
        options.listens?.contains(where: { $0.allowsListen(host, port) }) ?? true
      {
        return
      }
      throw Refusal(
        message: "your key may not listen at \(address) (permitlisten in authorized_keys)")
    }
  }
}

extension RunRequest {
  /// The request to run `command` with the login shell of the server's user instead of what the client
  /// asked for, as sshd does. The client chooses nothing that could change what the command does: not
  /// its environment, its folder or its limits.
  ///
  /// - Throws: `Rights.Refusal` if the client asks for limits.
  func forced(_ command: String) throws(Rights.Refusal) -> RunRequest {
    guard limits?.isEmpty ?? true else {
      throw Rights.Refusal(
        message: "your key may not limit its command: the server chooses the command")
    }
    var request = self
    (request.argv, request.shell, request.login) = (nil, ByteText(command), true)
    (request.cwd, request.cleanEnv, request.limits) = (nil, nil, nil)
    request.env = originalCommand.map { ["SSH_ORIGINAL_COMMAND": $0] }
    return request
  }

  /// What the client asked for, as a line for a shell; nil for a login shell without a line.
  private var originalCommand: ByteText? {
    if let shell { return shell }
    guard let argv else { return nil }
    return ByteText(
      Array(argv.map { Self.quoted($0.bytes) }.joined(separator: [UInt8(ascii: " ")])))
  }

  /// `word` as a shell reads it: unchanged if no character of it has a meaning for a shell.
  private static func quoted(_ word: [UInt8]) -> [UInt8] {
    let isPlain = word.allSatisfy { byte in
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"):
        true
      default: Array("_@%+=:,./-".utf8).contains(byte)
      }
    }
    if isPlain && !word.isEmpty { return word }
    let quote = UInt8(ascii: "'")
    return [quote] + word.flatMap { $0 == quote ? Array(#"'\''"#.utf8) : [$0] } + [quote]
  }
}
