internal import TelpherTransport

/// Variables as JSON, whose strings can't hold bytes that are not UTF-8: each entry is `NAME=VALUE`
/// with one character, U+0000 to U+00FF, for each byte.
struct ByteVariables: Codable {
  private let entries: [String]

  init(_ variables: [SystemString: SystemString]) {
    entries = variables.map { name, value in
      String(
        String.UnicodeScalarView(
          (name.bytes + [UInt8(ascii: "=")] + value.bytes).map { Unicode.Scalar($0) }))
    }
  }

  /// The variables; entries that `init(_:)` did not make are left out.
  var variables: [SystemString: SystemString] {
    var variables: [SystemString: SystemString] = [:]
    for entry in entries {
      let bytes = entry.unicodeScalars.compactMap { UInt8(exactly: $0.value) }
      guard let equals = bytes.firstIndex(of: UInt8(ascii: "=")) else { continue }
      variables[SystemString(Array(bytes[..<equals]))] =
        SystemString(Array(bytes[(equals + 1)...]))
    }
    return variables
  }
}
