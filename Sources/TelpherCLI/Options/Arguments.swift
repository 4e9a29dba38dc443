internal import ArgumentParser
internal import TelpherClient
internal import TelpherServer
internal import TelpherTransport

/// Times on the command line: `5` and `5s`, `1.5s`, `200ms`, `2m`, `1h`, `30d`.
enum DurationArgument {
  /// The longest time that the protocol allows: a week.
  private static let longest = Duration.seconds(7 * 24 * 3_600)

  /// Reads a time, or `forever`, for which it returns a negative time.
  ///
  /// - Throws: `ValidationError` that says what is expected.
  static func parseOrForever(_ text: String) throws -> Duration {
    text == "forever" ? .seconds(-1) : try parse(text)
  }

  /// Reads a time that is more than 0.
  ///
  /// - Throws: `ValidationError` that says what is expected.
  static func parsePositive(_ text: String) throws -> Duration {
    let duration = try parse(text)
    guard duration > .zero else {
      throw ValidationError("'\(text)' is too short; write a time longer than 0")
    }
    return duration
  }

  /// Reads how long durable jobs are kept after their end.
  ///
  /// - Throws: `ValidationError` if it is not a time that a server can use.
  static func parseRetention(_ text: String) throws -> Duration {
    // A job is kept for an hour in any case, and 10 years are longer than a machine lives.
    let duration = try parse(text, longest: .seconds(3_653 * 86_400), "10 years")
    guard duration >= .milliseconds(JobRetention.minAgeMS) else {
      throw ValidationError("'\(text)' is too short; a job is kept for at least 1h after its end")
    }
    return duration
  }

  /// Reads a time of at most a week.
  ///
  /// - Throws: `ValidationError` that says what is expected.
  static func parse(_ text: String) throws -> Duration {
    try parse(text, longest: longest, "a week")
  }

  private static func parse(
    _ text: String, longest: Duration, _ name: String
  ) throws -> Duration {
    // Longer units come first, because `ms` also ends with `s`. A number without a unit is seconds,
    // as in timeout(1) and sleep(1).
    let units: [(String, Double)] = [
      ("ms", 0.001), ("s", 1), ("m", 60), ("h", 3_600), ("d", 86_400), ("", 1),
    ]
    for (unit, seconds) in units where text.hasSuffix(unit) {
      let digits = text.dropLast(unit.count)
      guard isNumber(digits), let number = Double(digits) else { break }
      let duration = Duration.seconds(number * seconds)
      guard duration <= longest else {
        throw ValidationError("'\(text)' is longer than \(name), the longest time allowed")
      }
      return duration
    }
    throw ValidationError(
      "'\(text)' is not a time; write for example 5 (seconds), 1.5s, 200ms, 2m or 1h")
  }

  /// Whether `text` is digits with at most one point: no sign, no exponent, no `inf`. The limit of
  /// 12 bytes keeps `Duration` from overflowing.
  private static func isNumber(_ text: Substring) -> Bool {
    text.utf8.count <= 12 && text.utf8.contains { $0 != UInt8(ascii: ".") }
      && text.utf8.filter { $0 == UInt8(ascii: ".") }.count <= 1
      && text.utf8.allSatisfy {
        (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) || $0 == UInt8(ascii: ".")
      }
  }
}

/// One variable of `--env`.
struct EnvironmentVariable: Sendable, Equatable {
  var name: ExactText
  var value: ByteText

  /// Reads `NAME=VALUE`. The value may be empty, and may contain equals signs.
  ///
  /// - Throws: `ValidationError` that says what is missing.
  static func parse(_ text: String) throws -> EnvironmentVariable {
    guard let equals = text.firstIndex(of: "=") else {
      throw ValidationError(
        "'\(text)' has no '=': write NAME=VALUE, or \(text)= for an empty value")
    }
    guard equals != text.startIndex else {
      throw ValidationError("'\(text)' has no name before '='")
    }
    let name = text[..<equals]
    guard ArgumentText.isPlain(name) else {
      throw ValidationError("the variable name '\(name)' is not UTF-8")
    }
    let value = ByteText(ArgumentText.bytes(of: text[text.index(after: equals)...]))
    return EnvironmentVariable(name: ExactText(String(name)), value: value)
  }
}

/// An address at which `serve` listens.
enum ListenAddress: Sendable, Equatable {
  /// A Unix or TCP socket.
  case socket(SocketAddress)
  /// A TCP socket with TLS.
  case tls(SocketAddress)
  /// Standard input and output, which form one connection.
  case stdio

  /// Reads `unix:PATH`, `tcp:HOST:PORT`, `vsock:CID:PORT`, `tls:HOST:PORT` or `stdio`.
  ///
  /// - Throws: `ValidationError` that says what is wrong with it.
  static func parse(_ text: String) throws -> ListenAddress {
    if text == "stdio" { return .stdio }
    if text.hasPrefix("tls:") {
      guard let address = try? SocketAddress(parsing: "tcp:" + text.dropFirst("tls:".count)) else {
        throw ValidationError("'\(text)' is not an address: write tls:HOST:PORT")
      }
      return .tls(address)
    }
    do throws(TransportError) {
      return .socket(try SocketAddress(parsing: text))
    } catch {
      throw ValidationError("\(error.message), or tls:HOST:PORT or stdio")
    }
  }
}
