internal import Glibc
internal import TelpherTransport

/// The environment of this process.
enum Environment {
  /// The variables whose names are ASCII and whose values are UTF-8, for the program's own use. Of
  /// entries with the same name the first counts, as for getenv(3). Other names are left out because
  /// `String` takes some of them for ASCII ones: a kelvin sign equals a K.
  static func current() -> [String: String] {
    var variables: [String: String] = [:]
    var unusable: Set<String> = []
    forEach { name, value in
      guard let name = String(validating: name, as: Unicode.ASCII.self), variables[name] == nil,
        !unusable.contains(name)
      else { return }
      if let value = String(validating: value, as: UTF8.self) {
        variables[name] = value
      } else {
        unusable.insert(name)
      }
    }
    return variables
  }

  /// All variables as bytes, for the environment of commands. Entries without `=` are left out: no
  /// program can look them up. Of entries with the same name the first counts, as for getenv(3).
  static func all() -> [SystemString: SystemString] {
    var variables: [SystemString: SystemString] = [:]
    forEach { name, value in
      let name = SystemString(Array(name))
      if variables[name] == nil { variables[name] = SystemString(Array(value)) }
    }
    return variables
  }

  /// Calls `body` with the name and the value of each entry.
  private static func forEach(
    _ body: (_ name: Slice<UnsafeRawBufferPointer>, _ value: Slice<UnsafeRawBufferPointer>) -> Void
  ) {
    var entry = environ
    while let text = entry.pointee {
      entry += 1
      let bytes = UnsafeRawBufferPointer(start: text, count: strlen(text))
      guard let equals = bytes.firstIndex(of: UInt8(ascii: "=")), equals > 0 else { continue }
      body(bytes[..<equals], bytes[(equals + 1)...])
    }
  }
}
