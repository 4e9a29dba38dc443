internal import ArgumentParser
internal import TelpherClient
internal import TelpherTransport

/// The values of limits on the command line.
enum LimitArgument {
  /// Reads the value of the option for a limit of this kind.
  ///
  /// - Throws: `ValidationError` that says what is expected.
  static func parse(_ kind: ResourceLimit.Kind, _ text: String) throws -> ResourceLimit {
    let value: UInt64
    switch kind {
    case .memoryBytes, .fileBytes, .coreBytes, .treeMemoryBytes:
      value = try SizeArgument.parse(text)
    case .cpuSeconds:
      // The kernel counts whole seconds, and takes 0 for 1.
      value = UInt64(max(1, (try DurationArgument.parse(text).wholeMilliseconds + 999) / 1_000))
    case .treeCPUMilli:
      guard let number = DecimalArgument.parse(text), (0.01...1_000).contains(number) else {
        throw ValidationError("'\(text)' is not a number of processors from 0.01 to 1000")
      }
      value = UInt64((number * 1_000).rounded())
    case .nice:
      guard let number = UInt64(text), number <= 19 else {
        throw ValidationError("'\(text)' is not a niceness from 0 to 19")
      }
      value = number
    case .openFiles, .processes, .treeProcesses:
      guard let number = UInt64(text), (1...(1 << 22)).contains(number) else {
        throw ValidationError("'\(text)' is not a number from 1 to \(1 << 22)")
      }
      value = number
    }
    guard value > 0 || kind == .nice || kind == .coreBytes || kind == .fileBytes else {
      throw ValidationError("'\(text)' is too low for \(kind.optionName)")
    }
    return ResourceLimit(kind, value)
  }

  /// Reads `NAME=VALUE`, where NAME is the name of the option for a limit.
  ///
  /// - Throws: `ValidationError` that says what is expected.
  static func parseNamed(_ text: String) throws -> ResourceLimit {
    guard let equals = text.firstIndex(of: "=") else {
      throw ValidationError("'\(text)' has no '=': write NAME=VALUE, such as memory=1G")
    }
    let name = text[..<equals]
    guard let kind = ResourceLimit.Kind.allCases.first(where: { $0.optionName == name }) else {
      throw ValidationError("there is no limit '\(name)', only \(names)")
    }
    return try parse(kind, String(text[text.index(after: equals)...]))
  }

  /// The names of all limits.
  static var names: String {
    ResourceLimit.Kind.allCases.map(\.optionName).sorted().joined(separator: ", ")
  }
}
