internal import Glibc
internal import TelpherClient
internal import TelpherHosts

/// Prints the outputs of several hosts. All of it goes through this one actor, so that a line is never
/// divided by another host's. It writes with blocking calls: if the reader is slow, the hosts wait.
actor FanOutPrinter {
  /// One of the two outputs.
  enum Channel: Int, Sendable {
    case output, error

    fileprivate var descriptor: Descriptor { self == .output ? .output : .error }
  }

  private let thread = ThreadExecutor.ofItsOwn()
  nonisolated var unownedExecutor: UnownedSerialExecutor { thread.asUnownedSerialExecutor() }

  private let names: [NodeName]
  /// The terminal for the live line; nil if there is none.
  private let terminal: Terminal?
  private let colors: [Bool]
  private var splitters: [Int: LineSplitter] = [:]
  private var status = ""

  /// A printer for these hosts.
  ///
  /// - Parameter usesTerminal: whether there is a live line, if standard error is a terminal.
  init(_ names: [NodeName], usesTerminal: Bool, environment: [String: String]) {
    self.names = names
    terminal = usesTerminal ? Terminal.ofStandardError(environment) : nil
    let isPlain = environment["NO_COLOR"]?.isEmpty == false || environment["TERM"] == "dumb"
    colors = [STDOUT_FILENO, STDERR_FILENO].map { !isPlain && isatty($0) == 1 }
  }

  /// Whether there is a live line.
  var hasTerminal: Bool { terminal != nil }

  /// Prints the whole lines of a chunk, and keeps what follows them.
  ///
  /// - Throws: `Failure`.
  func print(_ chunk: Chunk, of host: Int, _ channel: Channel) throws(Failure) {
    let key = host * 2 + channel.rawValue
    var splitter = splitters[key] ?? LineSplitter()
    let prefix = prefix(host, channel)
    var text: [UInt8] = []
    chunk.withUnsafeBytes { bytes in
      splitter.add(bytes) { Self.append($0, prefix, &text) }
    }
    splitters[key] = splitter
    try write(text, channel)
  }

  /// Prints what is left of an output, as a line.
  ///
  /// - Throws: `Failure`.
  func finish(_ host: Int, _ channel: Channel) throws(Failure) {
    guard var splitter = splitters.removeValue(forKey: host * 2 + channel.rawValue) else { return }
    let prefix = prefix(host, channel)
    var text: [UInt8] = []
    splitter.finish { Self.append($0, prefix, &text) }
    try write(text, channel)
  }

  /// Prints bytes as they are.
  ///
  /// - Throws: `Failure`.
  func print(_ bytes: [UInt8], _ channel: Channel = .output) throws(Failure) {
    try write(bytes, channel)
  }

  /// Prints a message on standard error.
  func complain(_ message: String) {
    hideStatus()
    Descriptor.complain(message)
    showStatus()
  }

  /// Replaces the live line; an empty text removes it.
  func show(_ text: String) {
    guard let terminal, text != status else { return }
    status = Columns.shortened(text, to: max(0, terminal.width - 1))
    terminal.replaceLine(status)
  }

  private func write(_ bytes: [UInt8], _ channel: Channel) throws(Failure) {
    guard !bytes.isEmpty else { return }
    hideStatus()
    defer { showStatus() }
    try channel.descriptor.print(bytes)
  }

  private func hideStatus() { if !status.isEmpty { terminal?.replaceLine("") } }
  private func showStatus() { if !status.isEmpty { terminal?.replaceLine(status) } }

  /// The colors of host names: those that are readable on dark and on light.
  private static let palette = [36, 32, 33, 35, 34, 31]

  private func prefix(_ host: Int, _ channel: Channel) -> [UInt8] {
    let name = names[host].text
    guard colors[channel.rawValue] else { return Array("\(name): ".utf8) }
    return Array("\u{1B}[\(Self.palette[host % Self.palette.count])m\(name):\u{1B}[0m ".utf8)
  }

  private static func append(
    _ line: UnsafeRawBufferPointer, _ prefix: [UInt8], _ text: inout [UInt8]
  ) {
    text += prefix
    text += line
    text.append(UInt8(ascii: "\n"))
  }
}
