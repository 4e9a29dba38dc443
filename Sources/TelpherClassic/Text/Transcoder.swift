internal import Glibc

/// Converts text from one encoding to another in pieces, with iconv(3).
///
/// It keeps a character that is split over two pieces until the second piece arrives. It replaces
/// bytes that are not a character, and characters that the target encoding does not have.
final class Transcoder {
  private let descriptor: iconv_t
  private let replacement: [UInt8]
  /// The beginning of a character whose rest has not arrived.
  private var kept: [UInt8] = []

  /// The bytes that one call of iconv may produce.
  private static let roomForOutput = 16 * 1024
  /// More bytes than any character of iconv's encodings has.
  private static let longestCharacter = 16
  /// The result of iconv_open(3) and iconv(3) for an error.
  private static let failure = -1

  /// - Parameters:
  ///   - source: the encoding of the input, a name from `iconv -l`.
  ///   - target: the encoding of the output.
  /// - Throws: `ClassicError` (`badRequest`) if iconv cannot convert between them.
  init(from source: String, to target: String) throws(ClassicError) {
    guard let descriptor = iconv_open(target, source), Int(bitPattern: descriptor) != Self.failure
    else {
      throw ClassicError(
        .badRequest,
        "cannot convert text from '\(source)' to '\(target)': 'iconv -l' lists the encodings")
    }
    self.descriptor = descriptor
    replacement = Self.isUTF8(target) ? Array("\u{FFFD}".utf8) : [UInt8(ascii: "?")]
  }

  deinit {
    iconv_close(descriptor)
  }

  private static func isUTF8(_ name: String) -> Bool {
    let name = name.uppercased()
    return name == "UTF-8" || name == "UTF8"
  }

  /// Converts `bytes`, up to the last complete character.
  func convert(_ bytes: UnsafeRawBufferPointer) -> [UInt8] {
    var input = kept
    input.append(contentsOf: bytes)
    kept = []
    var output: [UInt8] = []
    input.withUnsafeMutableBytes { input in
      var rest = input[...]
      while !rest.isEmpty {
        let (used, error) = step(UnsafeMutableRawBufferPointer(rebasing: rest), &output)
        rest = rest.dropFirst(used)
        switch error {
        case 0, E2BIG: break
        case EINVAL where rest.count < Self.longestCharacter:
          kept = Array(rest)
          rest = rest.dropFirst(rest.count)
        default:
          output += replacement
          rest = rest.dropFirst()
        }
      }
    }
    return output
  }

  /// Ends the text. Returns a replacement for an incomplete character, and the bytes that bring the
  /// target encoding back to its initial state.
  func finish() -> [UInt8] {
    var output = kept.isEmpty ? [] : replacement
    kept = []
    _ = step(nil, &output)
    return output
  }

  /// Calls iconv once. Returns the number of bytes it consumed and the error number, or 0.
  private func step(
    _ input: UnsafeMutableRawBufferPointer?, _ output: inout [UInt8]
  ) -> (used: Int, error: Int32) {
    withUnsafeTemporaryAllocation(of: CChar.self, capacity: Self.roomForOutput) { room in
      var source = input?.baseAddress?.assumingMemoryBound(to: CChar.self)
      var sourceLeft = input?.count ?? 0
      var target = room.baseAddress
      var targetLeft = room.count
      let result = iconv(descriptor, &source, &sourceLeft, &target, &targetLeft)
      let error = result == Self.failure ? errno : 0
      output.append(contentsOf: UnsafeRawBufferPointer(room).prefix(room.count - targetLeft))
      return ((input?.count ?? 0) - sourceLeft, error)
    }
  }
}
