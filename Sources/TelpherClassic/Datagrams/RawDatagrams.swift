internal import TelpherTransport

/// Runs the commands of `raw` on datagrams: see `RawDialect`.
enum RawDatagrams {
  /// Runs the command in `payload`.
  ///
  /// - Returns: the two datagrams of the answer.
  /// - Throws: `ClassicError` if the datagram gets no answer: `violation` if it belongs to another
  ///   protocol, `busy` if too many commands wait, `lost` if the command was ended while it waited.
  static func answer(
    _ payload: [UInt8], _ shell: Shell, on loop: any EventLoop
  ) async throws(ClassicError) -> [[UInt8]] {
    var firstBytes = FirstBytes()
    if case .foreign(let name) = firstBytes.receive(payload) { throw .foreign(name) }
    do throws(ClassicError) {
      return try await run(payload, shell, on: loop)
    } catch {
      if [.busy, .lost].contains(error.code) { throw error }
      return [shell.note(error.message), []]
    }
  }

  private static func run(
    _ payload: [UInt8], _ shell: Shell, on loop: any EventLoop
  ) async throws(ClassicError) -> [[UInt8]] {
    guard payload.count <= shell.limits.commandBytes else {
      throw ClassicError(.limit, "a command has at most \(shell.limits.commandBytes) bytes")
    }
    let line = try shell.line(payload)
    let command = shell.makeCommand()
    defer { command.end() }
    try await shell.start(command, line)
    let timer = loop.schedule(after: shell.limits.datagramCommand) { command.end() }
    defer { timer.cancel() }
    var (standard, error) = (DatagramText(), DatagramText())
    while let (output, chunk) = await command.next() {
      var text = output == .standard ? standard : error
      text.append(chunk)
      if output == .standard { standard = text } else { error = text }
      // The command gets SIGPIPE if it writes more than fits, as with head(1).
      if text.isCut { command.stop(output) }
    }
    if command.wasEnded {
      let seconds = shell.limits.datagramCommand / 1_000_000_000
      error.note = shell.note("the command was stopped after \(seconds) s")
    }
    let cut = shell.note(
      "the output is cut off here: a datagram has at most \(DatagramLimits.payloadBytes) bytes")
    return [error.bytes(noteIfCut: cut), standard.bytes(noteIfCut: cut)]
  }
}

/// Collects an output for one datagram.
struct DatagramText {
  /// A note for the end of the datagram.
  var note: [UInt8] = []
  /// Whether the output did not fit.
  private(set) var isCut = false
  private var kept: [UInt8] = []
  private let limit: Int

  init(limit: Int = DatagramLimits.payloadBytes) {
    self.limit = limit
  }

  /// Appends the bytes that fit.
  mutating func append(_ chunk: Chunk) {
    let room = limit - kept.count
    if chunk.count > room { isCut = true }
    chunk.withUnsafeBytes { kept.append(contentsOf: $0.prefix(room)) }
  }

  /// The datagram. If there is no room for the output and the notes, it drops the output's last
  /// lines; if there is no line's end to cut at, it cuts between characters of UTF-8.
  ///
  /// - Parameter cut: a note for the end of an output that did not fit.
  func bytes(noteIfCut cut: [UInt8]) -> [UInt8] {
    let end = isCut ? note + cut : note
    guard kept.count + end.count > limit else { return kept + end }
    var head = kept.prefix(max(0, limit - end.count))
    if let line = head.lastIndex(of: UInt8(ascii: "\n")) {
      head = head[...line]
    } else {
      // A continuation byte of UTF-8 is 10xxxxxx. If the byte after the cut is one, the cut is
      // inside a character.
      while head.endIndex < kept.endIndex, !head.isEmpty, kept[head.endIndex] & 0xC0 == 0x80 {
        head.removeLast()
      }
    }
    return head + end
  }
}
