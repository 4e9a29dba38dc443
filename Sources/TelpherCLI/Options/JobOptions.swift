internal import ArgumentParser
internal import TelpherWire

/// The options and arguments of durable jobs.
enum JobOptions {
  /// Reads the name of a new job.
  ///
  /// - Throws: `ValidationError` if it can't be one.
  static func parseName(_ text: String) throws -> String {
    guard RunRequest.isJobName(text) else {
      throw ValidationError("'\(text)' can't be the name of a job: \(RunRequest.jobNameRule)")
    }
    return text
  }

  /// The values of `--when-full`.
  static let whenFullNames = RunRequest.Journal.WhenFull.allCases.map {
    $0.rawValue.replacing("_", with: "-")
  }

  /// Reads the value of `--when-full`.
  ///
  /// - Throws: `ValidationError` that names the values.
  static func parseWhenFull(_ text: String) throws -> RunRequest.Journal.WhenFull {
    guard whenFullNames.contains(text),
      let value = RunRequest.Journal.WhenFull(rawValue: text.replacing("-", with: "_"))
    else {
      throw ValidationError(
        "'\(text)' is not one of \(whenFullNames.joined(separator: ", "))")
    }
    return value
  }

  /// What names a job, for messages and helps.
  static let referenceRule = "its id, the first digits of the id (8 or more, unique), or its name"

  /// Reads a reference to a job.
  ///
  /// - Throws: `ValidationError` if it can't be one.
  static func parseReference(_ text: String) throws -> String {
    guard RunRequest.isJobReference(text) else {
      throw ValidationError("'\(text)' can't be a job: give \(referenceRule)")
    }
    return text
  }
}
