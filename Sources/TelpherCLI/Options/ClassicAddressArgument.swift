internal import ArgumentParser
internal import TelpherClassic

/// Reads addresses of the `classic` commands.
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

/// Reads values of `--ack`.
enum ClassicAcknowledgementArgument {
  /// Reads a kind.
  ///
  /// - Throws: `ValidationError` that lists the kinds.
  static func parse(_ text: String) throws -> ClassicAcknowledgement {
    guard let kind = ClassicAcknowledgement(rawValue: text) else {
      let kinds = ClassicAcknowledgement.allCases.map(\.rawValue).joined(separator: ", ")
      throw ValidationError("'\(text)' is not a value of --ack; use one of: \(kinds)")
    }
    return kind
  }
}

/// Reads names of the tutorials' protocols (dialects).
enum ClassicDialectArgument {
  /// All names, for shell completion.
  static let names = ClassicDialect.allCases.map(\.rawValue)

  /// Reads a name.
  ///
  /// - Throws: `ValidationError` that lists the names.
  static func parse(_ text: String) throws -> ClassicDialect {
    guard let dialect = ClassicDialect(rawValue: text) else {
      throw ValidationError(
        "'\(text)' is not a dialect; use one of: \(names.joined(separator: ", "))")
    }
    return dialect
  }
}

extension Duration {
  /// The duration in whole nanoseconds. It must come from `DurationArgument`, which has checked
  /// that it is not negative and at most a week.
  var wholeNanoseconds: UInt64 {
    UInt64(components.seconds) * 1_000_000_000 + UInt64(components.attoseconds / 1_000_000_000)
  }
}
