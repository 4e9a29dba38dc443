internal import Glibc
internal import TelpherTransport

/// `time` on datagrams
///
///     client:  a strftime(3) format in one datagram, or an empty one for `%Y-%m-%d %X`
///     server:  the local time in that format, in one datagram
///
/// What can't be answered so, a format that is too long or whose text is, is answered by a note.
enum TimeDialect {
  /// The format of an empty datagram.
  static let defaultFormat = "%Y-%m-%d %X"

  /// Seconds since 1970, time(2).
  static var now: Int { time(nil) }

  /// The answer to `format` at the instant `seconds`.
  static func answer(
    _ format: [UInt8], at seconds: Int, _ options: ClassicServerOptions
  ) -> [UInt8] {
    do throws(ClassicError) {
      let text = try text(format.isEmpty ? Array(defaultFormat.utf8) : format, at: seconds, options)
      guard let encoding = options.encoding else { return text }
      return Shell.encode(String(decoding: text, as: UTF8.self), in: encoding)
    } catch {
      return Shell.encode("telpher: \(error.message)", in: options.encoding)
    }
  }

  private static func text(
    _ format: [UInt8], at seconds: Int, _ options: ClassicServerOptions
  ) throws(ClassicError) -> [UInt8] {
    guard format.count <= options.limits.formatBytes else {
      throw ClassicError(.limit, "a format has at most \(options.limits.formatBytes) bytes")
    }
    guard !format.contains(0) else { throw ClassicError(.violation, "a format has no NUL bytes") }
    var (instant, parts) = (seconds, tm())
    localtime_r(&instant, &parts)
    // strftime returns 0 both where there is no room and for an empty text: one more byte tells.
    let marked = (format + [UInt8(ascii: "."), 0]).map { CChar(bitPattern: $0) }
    var text = [CChar](repeating: 0, count: DatagramLimits.payloadBytes)
    let count = strftime(&text, text.count, marked, &parts)
    guard count > 0 else {
      throw ClassicError(.limit, "the time in this format does not fit a datagram")
    }
    return text.prefix(count - 1).map { UInt8(bitPattern: $0) }
  }
}
