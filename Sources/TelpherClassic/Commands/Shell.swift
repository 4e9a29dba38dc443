internal import TelpherTransport

/// Starts the commands of one server, and knows which are left.
final class Shell {
  let limits: ClassicLimits
  /// The encoding that the clients want, where it isn't UTF-8.
  let encoding: String?
  private let loop: any EventLoop
  private let environment: [String: String]
  private var running: [ObjectIdentifier: ShellCommand] = [:]
  /// Commands that wait until fewer run, the longest waiting first.
  private var waiting: [(command: ShellCommand, bell: Bell)] = []
  private let bell = Bell()

  init(
    on loop: any EventLoop, environment: [String: String], encoding: String?, limits: ClassicLimits
  ) {
    self.loop = loop
    self.environment = environment
    self.encoding = encoding
    self.limits = limits
  }

  /// A command that is yet to be started, so that it can be ended even before it has.
  func makeCommand() -> ShellCommand {
    ShellCommand(on: loop, limits: limits) { [weak self] in self?.didFinish($0) }
  }

  /// Starts `command`, when fewer than `ClassicLimits.commands` run: until then it waits its turn.
  ///
  /// - Throws: `ClassicError`: `busy` when too many wait, `lost` when it was ended while it waited,
  ///   `system` when it can't be started.
  func start(_ command: ShellCommand, _ line: String) async throws(ClassicError) {
    try await waitForTurn(of: command)
    try await command.start(line, environment: environment) { [encoding] in
      // The name was looked up when the server started.
      encoding.flatMap { try? Transcoder(from: "UTF-8", to: $0) }
    }
  }

  private func waitForTurn(of command: ShellCommand) async throws(ClassicError) {
    guard running.count >= limits.commands || !waiting.isEmpty else {
      running[ObjectIdentifier(command)] = command
      return
    }
    guard waiting.count < limits.waitingCommands else {
      throw ClassicError(.busy, "\(waiting.count) commands wait already")
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

  /// The command in `bytes`: UTF-8, or else the clients' own encoding. Line ends behind it, which
  /// nc and telnet send, don't count.
  ///
  /// - Throws: `ClassicError` (`violation`) where it can't be one.
  func line(_ bytes: [UInt8]) throws(ClassicError) -> String {
    var bytes = bytes[...]
    while let last = bytes.last, last == UInt8(ascii: "\n") || last == UInt8(ascii: "\r") {
      bytes.removeLast()
    }
    guard !bytes.contains(0) else {
      throw ClassicError(.violation, "a command with a NUL byte can't be run")
    }
    if let line = String(validating: bytes, as: UTF8.self) { return line }
    guard let encoding else {
      throw ClassicError(.violation, "a command is UTF-8 text, and this one is not")
    }
    let transcoder = try Transcoder(from: encoding, to: "UTF-8")
    let text = bytes.withUnsafeBytes { transcoder.convert($0) } + transcoder.finish()
    return String(decoding: text, as: UTF8.self)
  }

  /// A note for a client, in its encoding.
  func note(_ text: String) -> [UInt8] {
    Self.encode("telpher: \(text)\n", in: encoding)
  }

  /// `text` in `encoding`, or in UTF-8.
  static func encode(_ text: String, in encoding: String?) -> [UInt8] {
    let bytes = Array(text.utf8)
    guard let encoding, let transcoder = try? Transcoder(from: "UTF-8", to: encoding) else {
      return bytes
    }
    return bytes.withUnsafeBytes { transcoder.convert($0) } + transcoder.finish()
  }

  // MARK: The end

  /// Ends all commands: SIGTERM, the grace, SIGKILL.
  func endAll() {
    for command in Array(running.values) + waiting.map(\.command) { command.end() }
  }

  /// Ends all commands without a grace.
  func killAll() {
    for command in running.values { command.kill() }
  }

  /// Returns once no command is left. For one caller.
  func idle() async {
    while !running.isEmpty || !waiting.isEmpty { await bell.wait() }
  }

  private func didFinish(_ command: ShellCommand) {
    running[ObjectIdentifier(command)] = nil
    admit()
    if running.isEmpty { bell.ring() }
  }
}
