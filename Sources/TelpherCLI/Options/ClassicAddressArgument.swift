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

/// The kinds of `--ack` on the command line.
enum ClassicAcknowledgementArgument {
  /// Reads a kind.
  ///
  /// - Throws: `ValidationError` that lists the kinds.
  static func parse(_ text: String) throws -> ClassicAcknowledgement {
    guard let kind = ClassicAcknowledgement(rawValue: text) else {
      let kinds = ClassicAcknowledgement.allCases.map(\.rawValue).joined(separator: ", ")
      throw ValidationError("'\(text)' is no kind of acknowledgement, only \(kinds)")
    }
    return kind
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

extension Duration {
  /// It in nanoseconds, for a time from the command line: `DurationArgument` has checked that it is
  /// neither negative nor longer than a week.
  var wholeNanoseconds: UInt64 {
    UInt64(components.seconds) * 1_000_000_000 + UInt64(components.attoseconds / 1_000_000_000)
  }
}
