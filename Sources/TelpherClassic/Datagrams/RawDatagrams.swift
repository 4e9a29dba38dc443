internal import TelpherTransport

/// The commands of `raw` on datagrams: see `RawDialect`.
enum RawDatagrams {
  /// Runs the command in `payload`.
  ///
  /// - Returns: the two datagrams of its answer.
  /// - Throws: `ClassicError` when it is not answered: `violation` when it speaks another protocol,
  ///   `busy` when too many commands wait.
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
      // Who writes more than there is room for gets SIGPIPE, as with head(1).
      if text.isCut { command.stop(output) }
    }
    if command.wasEnded {
      let seconds = shell.limits.datagramCommand / 1_000_000_000
      error.note = shell.note("the command was ended after \(seconds) s")
    }
    let cut = shell.note(
      "the output is cut off here: a datagram has at most \(DatagramLimits.payloadBytes) bytes")
    return [error.bytes(noteWhereCut: cut), standard.bytes(noteWhereCut: cut)]
  }
}

/// What goes into one datagram.
struct DatagramText {
  /// A note for its end.
  var note: [UInt8] = []
  /// Whether more came than fits.
  private(set) var isCut = false
  private var kept: [UInt8] = []
  private let limit: Int

  init(limit: Int = DatagramLimits.payloadBytes) {
    self.limit = limit
  }

  /// Adds what fits.
  mutating func append(_ chunk: Chunk) {
    let room = limit - kept.count
    if chunk.count > room { isCut = true }
    chunk.withUnsafeBytes { kept.append(contentsOf: $0.prefix(room)) }
  }

  /// The datagram. What has no room beside a note goes by whole lines, else by whole characters of
  /// UTF-8, so that what is left can still be decoded.
  func bytes(noteWhereCut cut: [UInt8]) -> [UInt8] {
    let end = isCut ? note + cut : note
    guard kept.count + end.count > limit else { return kept + end }
    var head = kept.prefix(max(0, limit - end.count))
    if let line = head.lastIndex(of: UInt8(ascii: "\n")) {
      head = head[...line]
    } else {
      // A continuation byte of UTF-8 is 10xxxxxx; the byte behind the cut tells whether one is cut.
      while head.endIndex < kept.endIndex, !head.isEmpty, kept[head.endIndex] & 0xC0 == 0x80 {
        head.removeLast()
      }
    }
    return head + end
  }
}
