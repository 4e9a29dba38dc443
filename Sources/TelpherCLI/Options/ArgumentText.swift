internal import ArgumentParser
internal import CTelpherSys
internal import Glibc
internal import TelpherClient

/// Converts command-line arguments to text and back without loss. An argument of execve(2) may have
/// any bytes but NUL, and the argument parser takes `String`. So bytes that are not UTF-8 are
/// escaped before parsing and restored afterwards.
///
/// Each such byte `b` becomes the private-use code point U+10FE00 + `b`:
///
///     61 FF        ->  "a" U+10FEFF
///     F4 8F BA 80  ->  U+10FEF4 U+10FE8F U+10FEBA U+10FE80     (U+10FE80 itself)
///
/// If an argument contains a code point from U+10FE80 to U+10FEFF, its bytes are escaped too. So
/// each such code point in the text is exactly one byte, and `bytes(of: text(of: x)) == x` for all
/// bytes. Bytes below 0x80 are always UTF-8 and are never escaped.
enum ArgumentText {
  private static let base: UInt32 = 0x10FE00
  private static let escapes: ClosedRange<UInt32> = (base + 0x80)...(base + 0xFF)

  /// The arguments of this process as text for the parser, without the program's name.
  ///
  /// `CommandLine` is not used: it reads /proc, and is empty if that fails.
  static func ofProcess() -> [String] {
    (0..<telpher_argument_count()).dropFirst().compactMap { number in
      telpher_argument(number).map { argument in
        text(of: UnsafeRawBufferPointer(start: argument, count: strlen(argument)))
      }
    }
  }

  /// The first byte of every escape in UTF-8. Text without it has no escapes.
  private static let firstByte: UInt8 = 0xF4

  /// The text of an argument.
  static func text(of bytes: some Collection<UInt8>) -> String {
    if !bytes.contains(firstByte), let text = String(validating: bytes, as: UTF8.self) {
      return text
    }
    var text = String.UnicodeScalarView()
    func escape(_ bytes: some Sequence<UInt8>) {
      for byte in bytes { text.append(scalar(base + UInt32(byte))) }
    }
    var parser = Unicode.UTF8.ForwardParser()
    var iterator = bytes.makeIterator()
    var rest = bytes[...]
    while true {
      switch parser.parseScalar(from: &iterator) {
      case .valid(let encoded):
        let decoded = Unicode.UTF8.decode(encoded)
        if escapes.contains(decoded.value) { escape(encoded) } else { text.append(decoded) }
        rest = rest.dropFirst(encoded.count)
      case .error(let length):
        escape(rest.prefix(length))
        rest = rest.dropFirst(length)
      case .emptyInput:
        return String(text)
      }
    }
  }

  /// The bytes of an argument, or of a part of one, that the parser returned.
  static func bytes(of text: some StringProtocol) -> [UInt8] {
    guard text.utf8.contains(firstByte) else { return Array(text.utf8) }
    var bytes: [UInt8] = []
    for scalar in text.unicodeScalars {
      if escapes.contains(scalar.value) {
        bytes.append(UInt8(scalar.value - base))
      } else {
        bytes.append(contentsOf: Unicode.UTF8.encode(scalar)!)
      }
    }
    return bytes
  }

  /// Whether the argument is UTF-8, so that its text is the argument itself.
  static func isPlain(_ text: some StringProtocol) -> Bool {
    !text.utf8.contains(firstByte)
      || !text.unicodeScalars.contains { escapes.contains($0.value) }
  }

  /// A message of the parser for the user, with the bytes that are not UTF-8 shown as escapes.
  static func shown(_ message: String) -> String {
    isPlain(message)
      ? message : PathText(bytes(of: message)).shown(escapingBackslashes: false)
  }

  private static func scalar(_ value: UInt32) -> Unicode.Scalar {
    guard let scalar = Unicode.Scalar(value) else {
      preconditionFailure("all code points from U+E000 to U+10FFFF are scalars")
    }
    return scalar
  }
}

/// A command whose arguments may be bytes that are not UTF-8: it restores them with
/// `ArgumentText.bytes(of:)`. Arguments of other commands must be UTF-8.
protocol TakesByteArguments {}

/// A command that runs the words at the end of its command line.
protocol RunsWords: AsyncParsableCommand, TakesByteArguments {
  /// The words.
  var words: [String] { get set }
}

/// A command that takes any number of paths.
protocol TakesManyPaths: ParsableCommand, TakesByteArguments {
  /// The paths, in order.
  var paths: [PathArgument] { get set }
}
