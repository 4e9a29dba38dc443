internal import Glibc
internal import TelpherTransport

/// The environment of this process.
enum Environment {
  /// The variables whose names and values are UTF-8, for the program's own use.
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

  /// All variables as bytes, for the environment of commands. Entries without `=` are left out: no
  /// program can look them up.
  static func all() -> [SystemString: SystemString] {
    var variables: [SystemString: SystemString] = [:]
    var entry = environ
    while let text = entry.pointee {
      entry += 1
      let bytes = UnsafeRawBufferPointer(start: text, count: strlen(text))
      guard let equals = bytes.firstIndex(of: UInt8(ascii: "=")), equals > 0 else { continue }
      let name = SystemString(Array(bytes[..<equals]))
      // If a name occurs twice, getenv(3) returns the first.
      if variables[name] == nil { variables[name] = SystemString(Array(bytes[(equals + 1)...])) }
    }
    return variables
  }
}
