internal import Glibc
internal import TelpherTransport

/// The environment of this process.
enum Environment {
  /// The variables whose names and values are text: for what this program itself looks up.
  static func current() -> [String: String] {
    var variables: [String: String] = [:]
    for (name, value) in all() {
      guard let name = String(validating: name.bytes, as: UTF8.self),
        let value = String(validating: value.bytes, as: UTF8.self)
      else { continue }
      variables[name] = value
    }
    return variables
  }

  /// All variables, for commands to start from. An entry without `=`, which no program can look up,
  /// is left out.
  static func all() -> [SystemString: SystemString] {
    var variables: [SystemString: SystemString] = [:]
    var entry = environ
    while let text = entry.pointee {
      entry += 1
      let bytes = UnsafeRawBufferPointer(start: text, count: strlen(text))
      guard let equals = bytes.firstIndex(of: UInt8(ascii: "=")), equals > 0 else { continue }
      let name = SystemString(Array(bytes[..<equals]))
      // getenv(3) finds the first of two.
      if variables[name] == nil { variables[name] = SystemString(Array(bytes[(equals + 1)...])) }
    }
    return variables
  }
}
