internal import ArgumentParser
internal import TelpherClassic

/// Addresses of the tutorials' dialects on the command line.
enum ClassicAddressArgument {
  /// Reads `tcp:HOST:PORT`, `udp:HOST:PORT` or `unix:PATH`.
  ///
  /// - Throws: `ValidationError` that says what is wrong with it.
  static func parse(_ text: String) throws -> ClassicAddress {
    do throws(ClassicError) {
      return try ClassicAddress(parsing: text)
    } catch {
      throw ValidationError(error.message)
    }
  }
}

/// Names of the tutorials' dialects on the command line.
enum ClassicDialectArgument {
  /// The names, for a shell to complete.
  static let names = ClassicDialect.allCases.map(\.rawValue)

  /// Reads a name.
  ///
  /// - Throws: `ValidationError` that lists the names.
  static func parse(_ text: String) throws -> ClassicDialect {
    guard let dialect = ClassicDialect(rawValue: text) else {
      throw ValidationError("there is no dialect '\(text)', only \(names.joined(separator: ", "))")
    }
    return dialect
  }
}
