internal import ArgumentParser
internal import Glibc
internal import TelpherServer
internal import TelpherText
internal import TelpherTransport
internal import TelpherWire

/// `telpher audit`
struct AuditCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "audit",
    abstract: "Shows what 'telpher serve --audit' has recorded.",
    discussion: """
      Prints a line for each record: the time, the event, the connection, the identity, and the \
      operation with its result. Clients that were refused have records too. If a line of the file is not a record, telpher reports it, and the \
      exit status is 1. For the records of '--audit journal', run 'journalctl -t telpher-audit -o cat \
      | telpher audit -'.
      """)

  @Argument(
    help: ArgumentHelp("The audit file; '-' for standard input.", valueName: "file"),
    completion: .file())
  var file: String

  @Option(
    help: ArgumentHelp(
      "Only records of this identity: a fingerprint, a name in a certificate, or 'owner'. Also refused clients that have tried it.",
      valueName: "identity"))
  var identity: String?

  @Option(
    help: ArgumentHelp(
      "Only records from this time on: a time in UTC, such as 2026-01-31T12:00, or how long ago, such as 2h.",
      valueName: "time"),
    transform: AuditTime.parse)
  var since: String?

  @Flag(help: "Prints the records as they are in the file, a line of JSON each.")
  var json = false

  func run() async throws {
    let isInput = file == "-"
    let number = isInput ? STDIN_FILENO : open(file, O_RDONLY | O_CLOEXEC)
    guard number >= 0 else { throw Failure("cannot open \(file): \(describe(errno: errno))") }
    defer { if !isInput { close(number) } }
    let file = isInput ? "standard input" : file
    var lines = AuditLines(Descriptor(number: number, name: file))
    var strange = 0
    while let line = try lines.next() {
      guard let record = try? JSONText.value(AuditRecord.self, in: line) else {
        strange += 1
        Descriptor.complain("\(file), line \(lines.number): this is not a record")
        continue
      }
      guard identity.map({ record.identity == $0 || record.tried?.contains($0) == true }) ?? true,
        since.map({ record.time >= $0 }) ?? true
      else { continue }
      if json {
        try JSONText.print(record)
      } else {
        try Descriptor.output.print("\(record.text)\n")
      }
    }
    if strange > 0 { throw ExitCode(1) }
  }
}

/// The value of `serve --audit`.
enum AuditPlace {
  /// The place that `text` names: `journal`, or the path of a file.
  static func parse(_ text: String) -> AuditLog.Place {
    text == "journal" ? .journal() : .file(text)
  }
}

/// The value of `--since`.
enum AuditTime {
  /// The time as records have it, or its beginning.
  ///
  /// - Throws: `ValidationError` if the text is neither a time nor a duration.
  static func parse(_ text: String) throws -> String {
    let form = Array("0000-00-00T00:00:00.000Z".utf8)
    let bytes = Array(text.utf8)
    let isTime =
      (10...form.count).contains(bytes.count)
      && zip(bytes, form).allSatisfy { byte, place in
        place == UInt8(ascii: "0") ? (0x30...0x39).contains(byte) : byte == place
      }
    if isTime { return text }
    guard let duration = try? DurationArgument.parse(text) else {
      throw ValidationError(
        "'\(text)' is neither a time in UTC, such as 2026-01-31T12:00, nor a duration, such as 2h")
    }
    return AuditRecord.text(of: Int(time(nil)) - Int(duration / .seconds(1)))
  }
}

/// The lines of a file, read piece by piece.
private struct AuditLines {
  private let file: Descriptor
  private var rest: [UInt8] = []
  private var isAtEnd = false
  /// The number of the last line.
  private(set) var number = 0

  /// The longest line: a record has the arguments of a command, of at most 8 MiB.
  private static let longest = 16 << 20

  init(_ file: Descriptor) { self.file = file }

  mutating func next() throws -> [UInt8]? {
    var searched = 0
    while true {
      if let end = rest[searched...].firstIndex(of: UInt8(ascii: "\n")) {
        let line = Array(rest[..<end])
        rest.removeFirst(end + 1)
        number += 1
        return line
      }
      searched = rest.count
      if isAtEnd {
        guard !rest.isEmpty else { return nil }
        defer { rest = [] }
        number += 1
        return rest
      }
      guard rest.count <= Self.longest else {
        throw Failure("\(file.name) has a line that is too long")
      }
      do throws(Descriptor.CallError) {
        if let chunk = try file.read(upTo: 65_536) {
          rest.append(contentsOf: chunk)
        } else {
          isAtEnd = true
        }
      } catch {
        throw Failure("cannot read \(file.name): \(error.text)")
      }
    }
  }
}

extension AuditRecord {
  /// The record in words, safe to show.
  var text: String {
    var words = [time, event.rawValue, "\(connection)", identity]
    if let stream { words.append("#\(stream)") }
    if let op { words.append(op) }
    if login == true { words.append("login shell") }
    if terminal == true { words.append("on a terminal") }
    words += (argv ?? []).map { ShownText.path($0.bytes) }
    if let shell { words.append(ShownText.path(shell.bytes)) }
    let paths = [target].compactMap { $0 } + (others ?? []) + (self.paths ?? [])
    words += paths.map { ShownText.path($0.bytes) }
    if let to { words += ["to", ShownText.path(to.bytes)] }
    if event == .connect { words.append("from \(source) by \(proof)") }
    if let tried { words.append("as \(tried.joined(separator: ", "))") }
    if event == .refused, !source.isEmpty { words.append("from \(source)") }
    if let result { words.append(result) }
    if let code { words.append("\(code)") }
    if let signal { words.append("signal \(signal)") }
    if let tree { words.append("\(tree.files) files, \(tree.failed) failed") }
    if let ms { words.append("\(ms) ms") }
    if let message { words.append(message) }
    return ShownText.escaped(words.joined(separator: " "))
  }
}
