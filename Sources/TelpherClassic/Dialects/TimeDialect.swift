internal import Glibc
internal import TelpherTransport

/// The dialect `time`, on datagrams.
///
///     client:  a strftime(3) format in one datagram, or an empty one for `%Y-%m-%d %X`
///     server:  the local time in that format, in one datagram
///
/// If the format or the resulting text is too long, the server answers with a note that says so.
enum TimeDialect {
  /// The format that an empty datagram stands for.
  static let defaultFormat = "%Y-%m-%d %X"

  /// The seconds since 1970, from time(2).
  static var now: Int { time(nil) }

  /// The answer to `format` at the time `seconds`: the formatted time, or a note that gives the
  /// failure.
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
    guard !format.contains(0) else {
      throw ClassicError(.violation, "a format must not have NUL bytes")
    }
    var (instant, parts) = (seconds, tm())
    localtime_r(&instant, &parts)
    // strftime returns 0 both for an empty text and if the text does not fit. One more character in
    // the format separates the two cases.
    let marked = (format + [UInt8(ascii: "."), 0]).map { CChar(bitPattern: $0) }
    var text = [CChar](repeating: 0, count: DatagramLimits.payloadBytes)
    let count = strftime(&text, text.count, marked, &parts)
    guard count > 0 else {
      throw ClassicError(.limit, "the time in this format does not fit into a datagram")
    }
    return text.prefix(count - 1).map { UInt8(bitPattern: $0) }
  }
}
