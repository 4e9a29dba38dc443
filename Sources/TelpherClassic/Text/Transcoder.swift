internal import Glibc

/// Turns text of one encoding into another, piece by piece, by iconv(3). A character whose bytes
/// come in two pieces is kept until the second; what is no character becomes a replacement.
final class Transcoder {
  private let descriptor: iconv_t
  private let replacement: [UInt8]
  /// The beginning of a character, whose rest is yet to come.
  private var kept: [UInt8] = []

  /// Room for what one call of iconv brings.
  private static let roomForOutput = 16 * 1024
  /// The longest character of any encoding that iconv knows is shorter.
  private static let longestCharacter = 16
  /// iconv_open(3) and iconv(3) return -1 for an error.
  private static let failure = -1

  /// - Parameters:
  ///   - source: the name of the encoding of what comes, as `iconv -l` lists it.
  ///   - target: that of what is wanted.
  /// - Throws: `ClassicError` (`badRequest`) where there is no such encoding.
  init(from source: String, to target: String) throws(ClassicError) {
    guard let descriptor = iconv_open(target, source), Int(bitPattern: descriptor) != Self.failure
    else {
      throw ClassicError(
        .badRequest, "there is no way from the encoding '\(source)' to '\(target)' (see iconv -l)")
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

  /// What `bytes` are in the target's encoding, as far as whole characters are there.
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

  /// What is left at the end: a replacement for half a character, and what brings the target back
  /// to its first state.
  func finish() -> [UInt8] {
    var output = kept.isEmpty ? [] : replacement
    kept = []
    _ = step(nil, &output)
    return output
  }

  /// One call of iconv: how many bytes it took, and the error number, or 0.
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
