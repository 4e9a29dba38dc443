internal import TelpherTransport

/// Starts the commands of one server, limits how many run at once, and keeps track of those that
/// are left.
final class Shell {
  let limits: ClassicLimits
  /// The clients' encoding. Nil for UTF-8.
  let encoding: String?
  private let loop: any EventLoop
  private let environment: [SystemString: SystemString]
  private var running: [ObjectIdentifier: ShellCommand] = [:]
  /// Commands that wait to run, the longest waiting first.
  private var waiting: [(command: ShellCommand, bell: Bell)] = []
  private let bell = Bell()

  init(
    on loop: any EventLoop, environment: [SystemString: SystemString], encoding: String?,
    limits: ClassicLimits
  ) {
    self.loop = loop
    self.environment = environment
    self.encoding = encoding
    self.limits = limits
  }

  /// Creates a command. It can be ended even before it is started.
  func makeCommand() -> ShellCommand {
    ShellCommand(on: loop, limits: limits) { [weak self] in self?.didFinish($0) }
  }

  /// Starts `command`. If `ClassicLimits.commands` commands run already, it first waits until it
  /// may run.
  ///
  /// - Throws: `ClassicError`: `busy` if too many commands wait, `lost` if this one was ended while
  ///   it waited, `system` if it cannot be started.
  func start(_ command: ShellCommand, _ line: String) async throws(ClassicError) {
    try await waitForTurn(of: command)
    try await command.start(line, environment: environment) { [encoding] in
      // The server checks the encoding when it starts, so the transcoder exists.
      encoding.flatMap { try? Transcoder(from: "UTF-8", to: $0) }
    }
  }

  private func waitForTurn(of command: ShellCommand) async throws(ClassicError) {
    guard running.count >= limits.commands || !waiting.isEmpty else {
      running[ObjectIdentifier(command)] = command
      return
    }
    guard waiting.count < limits.waitingCommands else {
      throw ClassicError(.busy, "\(waiting.count) commands are already waiting")
    }
    let bell = Bell()
    waiting.append((command, bell))
    command.didEndUnstarted = { bell.ring() }
    defer { command.didEndUnstarted = nil }
    while running[ObjectIdentifier(command)] == nil, !command.wasEnded { await bell.wait() }
    guard command.wasEnded else { return }
    waiting.removeAll { $0.command === command }
    didFinish(command)
    throw ClassicError(.lost, "the command was ended while it waited")
  }

  private func admit() {
    while running.count < limits.commands, !waiting.isEmpty {
      let next = waiting.removeFirst()
      running[ObjectIdentifier(next.command)] = next.command
      next.bell.ring()
    }
  }

  /// The command in `bytes`, as UTF-8 or else in the clients' encoding. Line ends after it, which
  /// nc and telnet send, are removed.
  ///
  /// - Throws: `ClassicError` (`violation`) if `bytes` cannot be a command.
  func line(_ bytes: [UInt8]) throws(ClassicError) -> String {
    var bytes = bytes[...]
    while let last = bytes.last, last == UInt8(ascii: "\n") || last == UInt8(ascii: "\r") {
      bytes.removeLast()
    }
    guard !bytes.contains(0) else {
      throw ClassicError(.violation, "a command must not have a NUL byte")
    }
    if let line = String(validating: bytes, as: UTF8.self) { return line }
    guard let encoding else {
      throw ClassicError(.violation, "a command must be UTF-8 text")
    }
    let transcoder = try Transcoder(from: encoding, to: "UTF-8")
    let text = bytes.withUnsafeBytes { transcoder.convert($0) } + transcoder.finish()
    return String(decoding: text, as: UTF8.self)
  }

  /// A note for a client, in the clients' encoding.
  func note(_ text: String) -> [UInt8] {
    Self.encode("telpher: \(text)\n", in: encoding)
  }

  /// `text` in `encoding`, or in UTF-8 if `encoding` is nil.
  static func encode(_ text: String, in encoding: String?) -> [UInt8] {
    let bytes = Array(text.utf8)
    guard let encoding, let transcoder = try? Transcoder(from: "UTF-8", to: encoding) else {
      return bytes
    }
    return bytes.withUnsafeBytes { transcoder.convert($0) } + transcoder.finish()
  }

  // MARK: The end

  /// Ends all commands: SIGTERM, then SIGKILL after `ClassicLimits.grace`.
  func endAll() {
    for command in Array(running.values) + waiting.map(\.command) { command.end() }
  }

  /// Sends SIGKILL to all running commands.
  func killAll() {
    for command in running.values { command.kill() }
  }

  /// Returns when no command is left. For one caller.
  func idle() async {
    while !running.isEmpty || !waiting.isEmpty { await bell.wait() }
  }

  private func didFinish(_ command: ShellCommand) {
    running[ObjectIdentifier(command)] = nil
    admit()
    if running.isEmpty { bell.ring() }
  }
}
