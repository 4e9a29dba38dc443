internal import Glibc
package import TelpherTransport

/// The checked strings of a launch: those that execve(2) takes, and the files to try.
package struct LaunchStrings {
  /// The program as it was named, and its arguments.
  package let arguments: [SystemString]
  /// `NAME=value` for each variable.
  package let environment: [SystemString]
  /// Each file that may be the program, in the order in which to try them.
  package let candidates: [SystemString]

  /// Checks the strings of `request` and adds `mark` to the environment.
  ///
  /// - Throws: `SpawnError` if a string can't be passed on: there are no arguments, a string has a
  ///   NUL byte, or a variable's name is empty or has a `=`.
  package init(_ request: SpawnRequest, mark: String? = nil) throws(SpawnError) {
    guard let program = request.program ?? request.arguments.first else {
      throw Self.refused("no program was given")
    }
    var environment = request.environment
    if let mark { environment[SystemString(ProcessTree.markName)] = SystemString(mark) }
    if let fault = environment.fault { throw Self.refused(fault) }
    for string in request.arguments where string.bytes.contains(0) {
      throw Self.refused("an argument has a NUL byte")
    }
    arguments = request.arguments
    self.environment = environment.strings
    candidates = Self.candidates(for: program, in: environment)
  }

  private static func refused(_ message: String) -> SpawnError {
    SpawnError(stage: .execute, errno: EINVAL, message: message)
  }

  /// The files that `program` may mean, in the order of PATH: execvp(3). A name with a slash is used
  /// as it is. An empty name names no file.
  static func candidates(
    for program: SystemString, in environment: LaunchEnvironment
  ) -> [SystemString] {
    let slash = UInt8(ascii: "/")
    if program.bytes.isEmpty || program.bytes.contains(slash) { return [program] }
    return environment.folders.map { folder in
      guard !folder.bytes.isEmpty else { return program }
      var path: [UInt8] = []
      path.reserveCapacity(folder.bytes.count + 1 + program.bytes.count)
      path += folder.bytes
      path.append(slash)
      path += program.bytes
      return SystemString(path)
    }
  }
}
